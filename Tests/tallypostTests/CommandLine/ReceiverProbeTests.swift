import Glibc
import TallypostCore
import Testing

@testable import tallypost

@Suite struct ReceiverProbeTests {
    @Test func `a receiver that listens is reached, and one that does not is told why`() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let port = unsafe withUnsafeMutablePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = unsafe bind(listener, $0, length)
                _ = unsafe getsockname(listener, $0, &length)
            }
            return unsafe Int(UInt16(bigEndian: $0.pointee.sin_port))
        }
        let origin = Origin(scheme: "http", host: "127.0.0.1", port: port)
        #expect(ReceiverProbe.obstacle(to: origin) == "Connection refused")
        try #require(listen(listener, 1) == 0)
        #expect(ReceiverProbe.obstacle(to: origin) == nil)
    }

    @Test func `a name that is not known is told as such`() {
        let obstacle = ReceiverProbe.obstacle(to: Origin(scheme: "http", host: "no-such-host.invalid", port: 80))
        #expect(obstacle?.contains("no-such-host.invalid is not known") == true)
    }
}
