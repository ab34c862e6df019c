import Testing

@testable import TallypostConsole

@Suite struct `The dashboard` {
    @Test func `comes without the token, and lets in nothing that is not ours`() throws {
        let bench = try Bench(token: "sesame")
        let page = try bench.admin().ask("GET", "/")
        #expect(page.status == 200 && page.headers["content-type"] == "text/html; charset=utf-8")
        #expect(page.headers["content-security-policy"] == Dashboard.policy)
        for word in ["unsafe", "http:", "https:", "data:", "*"] { #expect(!Dashboard.policy.contains(word)) }
        #expect(try bench.admin().ask("POST", "/", "").headers["allow"] == "GET, HEAD")
        #expect(try bench.admin().ask("GET", "/v1/overview").status == 401)
    }

    @Test func `is not on the public listener`() throws {
        let bench = try Bench()
        for path in ["/", "/dashboard/main.js", "/v1/findings", "/v1/overview"] {
            #expect(try bench.public().ask("GET", path).status == 404)
        }
    }

    @Test func `refuses a host that is not its own, as all of the listener does`() throws {
        let bench = try Bench()
        let client = try bench.admin()
        client.send("GET / HTTP/1.1\r\nHost: rebound.example\r\n\r\n")
        #expect(client.reply()?.status == 421)
    }

    @Test func `names only files that are there`() throws {
        let bench = try Bench()
        var wanted = ["/"]
        var seen: Set<String> = []
        while let path = wanted.popLast() {
            guard seen.insert(path).inserted else { continue }
            let reply = try bench.admin().ask("GET", path)
            #expect(reply.status == 200 && !reply.body.isEmpty, "\(path)")
            for quoted in reply.body.split(whereSeparator: { "\"'".contains($0) }) {
                if quoted.hasPrefix("/dashboard/") { wanted.append(String(quoted)) }
                if path.hasSuffix(".js"), quoted.hasPrefix("./"), quoted.hasSuffix(".js") {
                    wanted.append("/dashboard/" + quoted.dropFirst(2))
                }
            }
        }
        #expect(seen.count == 14)
    }

    @Test func `inserts nothing as markup, and reaches for nothing elsewhere`() throws {
        let bench = try Bench()
        for name in ["main", "client", "format", "dom", "charts", "overview", "tasks", "routes", "findings", "reports", "groups"]
        {
            let script = try bench.admin().ask("GET", "/dashboard/\(name).js").body
            for word in [
                "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "https://", "localStorage", "cookie",
            ] {
                #expect(!script.contains(word), "\(name).js: \(word)")
            }
        }
    }
}
