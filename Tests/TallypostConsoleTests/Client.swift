import Glibc
import Testing

@testable import TallypostConsole

/// A TCP connection that sends exactly what a test says, hostile or not. Every read is bounded in time.
final class Client {
    let descriptor: Int32
    private var buffer: [UInt8] = []

    init(port: Int, from source: String = "127.0.0.1") throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var own = Self.address(source, 0)
        var address = Self.address("127.0.0.1", port)
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = unsafe withUnsafePointer(to: &own) { own in
            unsafe withUnsafePointer(to: &address) { address in
                unsafe own.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(descriptor, $0, length) }
                    == 0
                    ? address.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe connect(descriptor, $0, length) } : -1
            }
        }
        try #require(status == 0)
    }

    deinit { close(descriptor) }

    private static func address(_ host: String, _ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        _ = unsafe inet_pton(AF_INET, host, &address.sin_addr)
        return address
    }

    func send(_ text: String) { send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    /// An answer, its header names in lower case.
    struct Reply: Equatable {
        var status: Int
        var headers: [String: String]
        var body: String
        /// All but the date.
        var bytes: String
    }

    /// The next answer; nil when the connection ends first.
    func reply(hasBody: Bool = true) -> Reply? {
        let end = Array("\r\n\r\n".utf8)
        while true {
            if let head = (0..<max(0, buffer.count - 3)).first(where: { Array(buffer[$0..<$0 + 4]) == end }) {
                let lines = String(decoding: buffer[..<head], as: UTF8.self).split(separator: "\r\n").map(String.init)
                var headers: [String: String] = [:]
                for line in lines.dropFirst() {
                    let parts = line.split(separator: ":", maxSplits: 1)
                    headers[parts[0].lowercased()] = parts[1].drop { $0 == " " }.description
                }
                let length = hasBody ? Int(headers["content-length"] ?? "0") ?? 0 : 0
                while buffer.count < head + 4 + length { guard fill() else { return nil } }
                let body = String(decoding: buffer[(head + 4)..<(head + 4 + length)], as: UTF8.self)
                buffer.removeFirst(head + 4 + length)
                let status = Int(lines[0].split(separator: " ")[1]) ?? 0
                if status == 100 { continue }
                let bytes = lines.filter { !$0.hasPrefix("Date:") }.joined(separator: "\n") + body
                return Reply(status: status, headers: headers, body: body, bytes: bytes)
            }
            guard fill() else { return nil }
        }
    }

    /// Whether the other end has closed, with nothing more to read.
    var isClosed: Bool { buffer.isEmpty && !fill() }

    /// All that comes until the other end closes.
    func everything() -> String {
        while fill() {}
        return String(decoding: buffer, as: UTF8.self)
    }

    private func fill() -> Bool {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        // A read that is bounded in time is cut short when a stopped process goes on (signal(7)).
        var count = -1
        repeat { count = unsafe recv(descriptor, &chunk, chunk.count, 0) } while count < 0 && errno == EINTR
        guard count > 0 else { return false }
        buffer += chunk.prefix(count)
        return true
    }

    /// One request and its answer.
    func ask(_ method: String, _ path: String, _ body: String? = nil, headers: [String] = []) throws -> Reply {
        var text = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\n"
        for header in headers { text += header + "\r\n" }
        if let body {
            if !headers.contains(where: { $0.hasPrefix("Content-Type") }) { text += "Content-Type: application/json\r\n" }
            text += "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
        } else {
            text += "\r\n"
        }
        send(text)
        return try #require(reply(hasBody: method != "HEAD"))
    }
}
