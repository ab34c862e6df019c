/// The dashboard: a page, its script and its style, all from here, and without data. What it shows it asks of the API, with the token
/// that whoever looks at it types in.
enum Dashboard {
    /// Nothing but our own files runs, styles or is asked; nothing is inserted as HTML (Trusted Types).
    static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
        + "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

    /// The page.
    static var page: HTTPAnswer { file("text/html; charset=utf-8", PackageResources.index_html) }

    /// A file under `/dashboard/`; nil when there is none of that name.
    static func file(_ name: String) -> HTTPAnswer? {
        let script = "text/javascript; charset=utf-8"
        return switch name {
        case "style.css": file("text/css; charset=utf-8", PackageResources.style_css)
        case "icon.svg": file("image/svg+xml", PackageResources.icon_svg)
        case "main.js": file(script, PackageResources.main_js)
        case "client.js": file(script, PackageResources.client_js)
        case "format.js": file(script, PackageResources.format_js)
        case "dom.js": file(script, PackageResources.dom_js)
        case "charts.js": file(script, PackageResources.charts_js)
        case "overview.js": file(script, PackageResources.overview_js)
        case "tasks.js": file(script, PackageResources.tasks_js)
        case "routes.js": file(script, PackageResources.routes_js)
        case "findings.js": file(script, PackageResources.findings_js)
        case "reports.js": file(script, PackageResources.reports_js)
        case "groups.js": file(script, PackageResources.groups_js)
        default: nil
        }
    }

    private static func file(_ type: String, _ bytes: [UInt8]) -> HTTPAnswer {
        HTTPAnswer(status: 200, contentType: type, body: bytes).adding("Content-Security-Policy", policy)
            .adding("Cross-Origin-Opener-Policy", "same-origin").adding("Cross-Origin-Resource-Policy", "same-origin")
    }
}
