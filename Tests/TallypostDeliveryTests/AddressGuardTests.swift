import TallypostCore
import Testing

@testable import TallypostDelivery

@Suite struct AddressGuardTests {
    private let open = AddressGuard(networks: [], listeners: [])

    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text), "\(text)") }

    /// First, last and just outside of every refused network.
    @Test(arguments: [
        ("0.0.0.0", "0.255.255.255", "1.0.0.0"), ("10.0.0.0", "10.255.255.255", "11.0.0.0"),
        ("100.64.0.0", "100.127.255.255", "100.128.0.0"),
        ("127.0.0.0", "127.255.255.255", "128.0.0.0"), ("169.254.0.0", "169.254.255.255", "169.255.0.0"),
        ("172.16.0.0", "172.31.255.255", "172.32.0.0"), ("192.0.0.0", "192.0.0.255", "192.0.1.0"),
        ("192.0.2.0", "192.0.2.255", "192.0.3.0"),
        ("192.88.99.0", "192.88.99.255", "192.88.100.0"), ("192.168.0.0", "192.168.255.255", "192.169.0.0"),
        ("198.18.0.0", "198.19.255.255", "198.20.0.0"), ("198.51.100.0", "198.51.100.255", "198.51.101.0"),
        ("203.0.113.0", "203.0.113.255", "203.0.114.0"), ("224.0.0.0", "239.255.255.255", "223.255.255.255"),
        ("240.0.0.0", "255.255.255.255", "223.255.255.255"),
        ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::"),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"),
        ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::"),
        ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::"),
        ("::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::"),
        ("4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3ffe::"),
    ])
    func `a row reaches no address of a refused network, and those beside it`(first: String, last: String, outside: String) throws
    {
        for inside in [first, last] {
            #expect(open.objection(to: try address(inside), port: 80, from: .row) != nil, "\(inside)")
            #expect(open.objection(to: try address(inside), port: 80, from: .configuration) == nil, "\(inside)")
            #expect(open.objection(to: try address(inside), port: 80, from: .allowedRow) == nil, "\(inside)")
        }
        #expect(open.objection(to: try address(outside), port: 80, from: .row) == nil, "\(outside)")
    }

    @Test func `every network of the tables refuses its own base`() {
        for entry in AddressGuard.nonPublicV4 + AddressGuard.nonPublicV6 {
            #expect(AddressGuard.nonPublicKind(of: entry.network.base) != nil, "\(entry.network)")
        }
        #expect(AddressGuard.nonPublicV4.count == 15)
    }

    @Test(arguments: [
        ("::1", "loopback"), ("fe80::1", "link-local"), ("fd12:3456::1", "unique local"), ("ff02::1", "multicast"),
        ("64:ff9b::808:808", "NAT64"),
        ("2001:0:1::1", "Teredo"), ("2002:7f00:1::", "6to4"), ("::ffff:10.1.2.3", "private"), ("::ffff:127.0.0.1", "loopback"),
        ("127.0.0.1", "loopback"), ("100.64.0.1", "carrier"), ("100::1", "no global unicast"),
    ])
    func `the refusal names the kind of address`(text: String, kind: String) throws {
        let objection = try #require(open.objection(to: try address(text), port: 80, from: .row))
        #expect(objection.contains(kind), "\(objection)")
    }

    @Test(arguments: ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "2a00:1450:4001::1"])
    func `public addresses are open to rows`(text: String) throws {
        #expect(open.objection(to: try address(text), port: 443, from: .row) == nil)
    }

    @Test(arguments: AddressGuard.metadataServices.map(\.address))
    func `metadata services are refused to everybody, allowed or not`(text: String) throws {
        let all = AddressGuard(networks: [try #require(IPNetwork("0.0.0.0/0")), try #require(IPNetwork("::/0"))], listeners: [])
        for provenance in [AddressGuard.Provenance.configuration, .row, .allowedRow] {
            #expect(all.objection(to: try address(text), port: 80, from: provenance)?.contains("never called") == true)
        }
    }

    @Test(arguments: [
        "::ffff:169.254.169.254", "::169.254.169.254", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::", "2002:a9fe:a9fe::1",
    ])
    func `a metadata service is found inside another address`(text: String) throws {
        #expect(open.objection(to: try address(text), port: 80, from: .configuration) != nil)
    }

    @Test func `an allowed network opens itself and nothing else`() throws {
        let some = AddressGuard(
            networks: [try #require(IPNetwork("10.1.0.0/16")), try #require(IPNetwork("fd00::/8"))], listeners: [])
        #expect(some.objection(to: try address("10.1.255.255"), port: 80, from: .row) == nil)
        #expect(some.objection(to: try address("::ffff:10.1.2.3"), port: 80, from: .row) == nil)
        #expect(some.objection(to: try address("fd12::1"), port: 80, from: .row) == nil)
        #expect(some.objection(to: try address("10.2.0.0"), port: 80, from: .row) != nil)
        #expect(some.objection(to: try address("fc00::1"), port: 80, from: .row) != nil)
    }

    @Test func `own listeners are refused at every address that leads to them`() throws {
        let mine = AddressGuard(
            networks: [],
            listeners: [
                ListenerAddress(address: try address("127.0.0.1"), port: 7411),
                ListenerAddress(address: try address("0.0.0.0"), port: 7412),
            ])
        for provenance in [AddressGuard.Provenance.configuration, .allowedRow] {
            for text in ["127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "::"] {
                #expect(
                    mine.objection(to: try address(text), port: 7411, from: provenance)?.contains("Tallypost itself") == true,
                    "\(text)")
            }
            #expect(mine.objection(to: try address("127.0.0.2"), port: 7411, from: provenance) == nil)
            for text in ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0"] {
                #expect(mine.objection(to: try address(text), port: 7412, from: provenance) != nil, "\(text)")
            }
            #expect(mine.objection(to: try address("8.8.8.8"), port: 7412, from: provenance) == nil)
            #expect(mine.objection(to: try address("127.0.0.1"), port: 7413, from: provenance) == nil)
        }
    }

    @Test(arguments: [
        "", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/", "10.0.0/8", "example.com/8", "::1/0",
        "fd00::/129", "10.0.0.0/8/8", "fe80::1%lo",
        "127.1", "0x7f000001", "2130706433",
    ])
    func `what is no network is none`(text: String) {
        #expect(IPNetwork(text) == nil)
    }

    @Test(arguments: ["10.0.0.0/8", "10.1.2.3/32", "fd00::/8", "::/0", "0.0.0.0/0", "2001:db8::1/128"])
    func `a network prints as it was read`(text: String) {
        #expect(IPNetwork(text)?.description == text)
    }

    @Test func `an allow list takes origins and networks, and says what is neither`() throws {
        let list = try AllowList(parsing: ["http://10.0.0.5:8080", "HTTPS://Hooks.Example.com/", "10.0.0.0/8", "::1"])
        #expect(list.origins.map(\.description).sorted() == ["http://10.0.0.5:8080", "https://hooks.example.com:443"])
        #expect(list.networks.map(\.description) == ["10.0.0.0/8", "::1/128"])
        for entry in [
            "hooks.example.com", "10.0.0.1/8", "http://a.example/path", "http://a.example/?q", "ftp://a.example",
            "http://u:p@a.example",
        ] {
            #expect(throws: (any Error).self, "\(entry)") { try AllowList(parsing: [entry]) }
        }
    }
}
