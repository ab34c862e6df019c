import CCurl
import TallypostCore

/// A URL that was parsed once, by libcurl, and is handed to libcurl as parsed: nobody reads it a second time in another way.
@safe final class CurlTarget {
    /// CURLU.
    let handle: OpaquePointer
    /// Scheme, host and port.
    let origin: Origin

    static let longestURL = 8_192

    /// Absolute `http` and `https` URLs without user information. Says nothing of the URL in its reasons.
    init(parsing url: String) throws(TargetError) {
        try Self.checkText(url)
        guard let handle = unsafe curl_url() else { preconditionFailure("out of memory") }
        do throws(TargetError) {
            // Encodes what may not stand in a path or a query (UTF-8, say) and leaves what is encoded.
            let code = unsafe curl_url_set(handle, CURLUPART_URL, url, UInt32(CURLU_DISALLOW_USER | CURLU_URLENCODE))
            guard code == CURLUE_OK else { throw TargetError(reason: Self.reason(of: code)) }
            origin = try unsafe Self.readOrigin(handle)
        } catch {
            unsafe curl_url_cleanup(handle)
            throw error
        }
        unsafe self.handle = handle
    }

    deinit { unsafe curl_url_cleanup(handle) }

    /// Whether it has neither a path nor a query.
    var isBareOrigin: Bool {
        let path = unsafe Self.part(handle, CURLUPART_PATH)
        let query = unsafe Self.part(handle, CURLUPART_QUERY)
        return (path == nil || path == "/") && query == nil
    }

    private static func checkText(_ url: String) throws(TargetError) {
        guard !url.isEmpty else { throw TargetError(reason: "the URL is empty") }
        guard url.utf8.count <= longestURL else { throw TargetError(reason: "the URL is longer than \(longestURL) bytes") }
        guard url.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            throw TargetError(reason: "the URL holds a space, a line break or another control character")
        }
        // libcurl would guess at `http:/host` and `http:///host`.
        let lower = url.prefix(9).lowercased()
        let rest: String.SubSequence.UTF8View
        if lower.hasPrefix("http://") {
            rest = url.utf8.dropFirst(7)
        } else if lower.hasPrefix("https://") {
            rest = url.utf8.dropFirst(8)
        } else {
            throw TargetError(reason: "not an absolute http or https URL")
        }
        guard let first = rest.first, first != UInt8(ascii: "/") else { throw TargetError(reason: "the URL has no host") }
    }

    private static func readOrigin(_ handle: OpaquePointer) throws(TargetError) -> Origin {
        guard let scheme = unsafe part(handle, CURLUPART_SCHEME)?.lowercased(), scheme == "http" || scheme == "https" else {
            throw TargetError(reason: "not an absolute http or https URL")
        }
        guard let host = unsafe part(handle, CURLUPART_HOST)?.lowercased(), !host.isEmpty else {
            throw TargetError(reason: "the URL has no host")
        }
        // Turning names into ASCII depends on the process's locale; whoever writes the URL knows the ASCII form.
        guard host.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw TargetError(reason: "the host is not ASCII: write an international name in its xn-- form")
        }
        guard unsafe part(handle, CURLUPART_ZONEID) == nil else { throw TargetError(reason: "the host has a zone id") }
        guard let port = unsafe part(handle, CURLUPART_PORT, flags: CURLU_DEFAULT_PORT).flatMap({ Int($0) }),
            (1...65_535).contains(port)
        else {
            throw TargetError(reason: "the port is not a number from 1 to 65535")
        }
        return Origin(scheme: scheme, host: host, port: port)
    }

    private static func reason(of code: CURLUcode) -> String {
        switch code {
        case CURLUE_USER_NOT_ALLOWED: "user information is not allowed in a URL: name credentials in the route's headers"
        case CURLUE_BAD_PORT_NUMBER: "the port is not a number from 1 to 65535"
        case CURLUE_BAD_HOSTNAME, CURLUE_BAD_IPV6, CURLUE_NO_HOST: "the host is no name and no address"
        case CURLUE_UNSUPPORTED_SCHEME, CURLUE_BAD_SCHEME: "not an absolute http or https URL"
        default: "the URL cannot be read (\(unsafe String(cString: curl_url_strerror(code))))"
        }
    }

    private static func part(_ handle: OpaquePointer, _ part: CURLUPart, flags: Int32 = 0) -> String? {
        var text: UnsafeMutablePointer<CChar>?
        guard unsafe curl_url_get(handle, part, &text, UInt32(flags)) == CURLUE_OK, let text = unsafe text else { return nil }
        defer { unsafe curl_free(text) }
        return unsafe String(cString: text)
    }
}
