import TallypostCore
import Testing

@testable import TallypostDelivery

@Suite struct CurlTargetTests {
    private let parser = CurlTargetParser()

    @Test(arguments: [
        ("http://a.example", "http://a.example:80"), ("HTTPS://Mail.Example.COM/receipts?x=1#f", "https://mail.example.com:443"),
        ("http://a.example:8080/", "http://a.example:8080"), ("http://[::1]:81/", "http://[::1]:81"),
        ("https://[2606:4700:0:0::1111]", "https://[2606:4700::1111]:443"),
        ("http://a.example/ä?ö=ü", "http://a.example:80"), ("http://xn--bcher-kva.example/", "http://xn--bcher-kva.example:80"),
    ])
    func `an origin is scheme, host in lower case and port`(url: String, origin: String) throws {
        #expect(try parser.origin(of: url).description == origin)
    }

    @Test(arguments: ["http://2130706433/", "http://0x7f.1/", "http://127.1/", "http://0177.0.0.1/", "http://0x7f000001/"])
    func `numbers that mean an address become that address`(url: String) throws {
        #expect(try parser.origin(of: url).host == "127.0.0.1")
    }

    @Test(arguments: [
        "", " ", "127.0.0.1:1", "example.com", "/path", "//example.com/", "http:/127.0.0.1", "http:127.0.0.1",
        "http:///example.com", "http://", "https://",
        "file:///etc/passwd", "ftp://a.example/", "gopher://a.example/", "javascript:alert(1)", "dict://a.example:1",
        "http://a.example:0/", "http://a.example:65536/",
        "http://a.example:x/", "http://a.example:-1/", "http://a b.example/", "http://a.example/\r\nHost: b",
        "http://a.example/\n", "http://a.example/\0", "http://a.example/ x",
        "http://[::1", "http://[::g]/", "http://[fe80::1%25eth0]/", "http://bücher.example/", "http://user@a.example/",
        "http://user:secret@a.example/", "http://:secret@a.example/",
        "\thttp://a.example/", "http://a.example\\@b.example/", "http://?x", "http://#x", "http://%/", "http://a<b.example/",
    ])
    func `what is no absolute http URL without user information is refused`(url: String) {
        let error = #expect(throws: TargetError.self) { try parser.origin(of: url) }
        #expect(error?.reason.contains("secret") == false)
        #expect(error?.reason.contains("passwd") == false)
    }

    @Test func `a URL has a longest length`() {
        #expect(throws: TargetError.self) { try parser.origin(of: "http://a.example/" + String(repeating: "x", count: 8_192)) }
    }

    @Test func `several threads may ask at once`() async {
        let hosts = await withTaskGroup(of: Set<String>.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var hosts: Set<String> = []
                    for index in 0..<500 {
                        if let origin = try? CurlTargetParser().origin(of: "http://h\(index).example/") {
                            hosts.insert(origin.host)
                        }
                    }
                    return hosts
                }
            }
            return await group.reduce(into: Set<String>()) { $0.formUnion($1) }
        }
        #expect(hosts.count == 500)
    }
}
