import Glibc

/// Where a listener is to be.
public enum ListenerPlace: Sendable, Equatable {
    /// An address as numbers (`127.0.0.1`, `::1`, `0.0.0.0`) and a port; 0: any.
    case tcp(host: String, port: Int)
    /// A path.
    case unix(path: String)
}

/// Why a listener does not listen.
public struct ListenerFault: Error, Sendable, Equatable, CustomStringConvertible {
    /// What is wrong, and the mend.
    public var description: String
}

/// A socket that listens.
public final class ListeningSocket: Sendable {
    /// Its number.
    let descriptor: Int32
    /// Whether it is a Unix socket.
    public let isUnix: Bool
    /// Whether only this machine reaches it.
    public let isLocal: Bool
    /// The address and port that it is bound to (`127.0.0.1:7411`), or the path.
    public let name: String
    /// Its port; nil for a Unix socket.
    public let port: Int?
    /// The path to remove at the end, with what is there now; nil when it is not ours.
    private let file: (path: String, device: UInt, inode: UInt)?

    /// Binds and listens.
    public convenience init(_ place: ListenerPlace) throws(ListenerFault) {
        switch place {
        case .tcp(let host, let port): try self.init(inherited: Self.bound(host, port))
        case .unix(let path): try self.init(inherited: Self.bound(path), path: path)
        }
    }

    /// Takes over a descriptor that listens already, such as systemd hands over.
    public convenience init(inherited descriptor: Int32) throws(ListenerFault) { try self.init(inherited: descriptor, path: nil) }

    private init(inherited descriptor: Int32, path: String?) throws(ListenerFault) {
        self.descriptor = descriptor
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = unsafe withUnsafeMutablePointer(to: &storage) { storage in
            unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(descriptor, $0, &length) }
        }
        guard status == 0 else { throw Self.fault("descriptor \(descriptor)", "is no socket") }
        let flags = fcntl(descriptor, F_GETFL)
        _ = fcntl(descriptor, F_SETFL, flags | O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        let (peer, port) = unsafe withUnsafePointer(to: &storage) { storage in
            unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                // The port stands in the same place in both families.
                let port = unsafe address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { unsafe $0.pointee.sin_port }
                return (unsafe PeerAddress(address), Int(UInt16(bigEndian: port)))
            }
        }
        isUnix = peer == .local
        isLocal = peer.isLoopback
        self.port = isUnix ? nil : port
        name =
            isUnix
            ? "unix:\(path ?? "(inherited)")" : peer.network?.isV6 == true ? "[\(peer.text)]:\(port)" : "\(peer.text):\(port)"
        var entry = stat()
        if let path, unsafe lstat(path, &entry) == 0 {
            file = (path, UInt(entry.st_dev), UInt(entry.st_ino))
        } else {
            file = nil
        }
    }

    /// Ends it, unless a console has taken it over; a Unix socket's path goes, if it still is ours.
    public func close() {
        _ = Glibc.close(descriptor)
        var entry = stat()
        guard let file, unsafe lstat(file.path, &entry) == 0, UInt(entry.st_dev) == file.device, UInt(entry.st_ino) == file.inode
        else { return }
        unsafe unlink(file.path)
    }

    // MARK: Binding

    private static let backlog: Int32 = 1_024

    private static func fault(_ name: String, _ what: String) -> ListenerFault { ListenerFault(description: "\(name) \(what)") }

    private static func reason(_ code: Int32) -> String {
        switch code {
        case EADDRINUSE: "is in use by another process; stop that, or choose another port"
        case EADDRNOTAVAIL: "is no address of this machine; `ip address` lists those"
        case EACCES: "may not be bound by this user; choose a port above 1023, or a path that it may write"
        case ENOENT: "cannot be made: its directory is not there"
        default: unsafe "cannot be bound: \(String(cString: strerror(code)))"
        }
    }

    private static func bound(_ host: String, _ port: Int) throws(ListenerFault) -> Int32 {
        let name = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        var v4 = sockaddr_in()
        var v6 = sockaddr_in6()
        let isV6 = host.contains(":")
        let descriptor = socket(isV6 ? AF_INET6 : AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw fault(name, reason(errno)) }
        var on: Int32 = 1
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        let status: Int32
        if isV6 {
            v6.sin6_family = sa_family_t(AF_INET6)
            v6.sin6_port = UInt16(port).bigEndian
            guard unsafe inet_pton(AF_INET6, host, &v6.sin6_addr) == 1 else { throw fault(name, "is no address") }
            status = bind(descriptor, to: &v6)
        } else {
            v4.sin_family = sa_family_t(AF_INET)
            v4.sin_port = UInt16(port).bigEndian
            guard unsafe inet_pton(AF_INET, host, &v4.sin_addr) == 1 else { throw fault(name, "is no address") }
            status = bind(descriptor, to: &v4)
        }
        guard status == 0, listen(descriptor, backlog) == 0 else {
            let code = errno
            _ = Glibc.close(descriptor)
            throw fault(name, reason(code))
        }
        return descriptor
    }

    private static func bound(_ path: String) throws(ListenerFault) -> Int32 {
        let name = "unix:\(path)"
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard !bytes.isEmpty, bytes.count < room else { throw fault(name, "is no path of 1 to \(room - 1) bytes") }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        try removeStale(path, &address)
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw fault(name, reason(errno)) }
        // Before it has a name, so that it never has a wider mode: owner and group may connect.
        _ = fchmod(descriptor, 0o660)
        guard bind(descriptor, to: &address) == 0, listen(descriptor, backlog) == 0 else {
            let code = errno
            _ = Glibc.close(descriptor)
            throw fault(name, reason(code))
        }
        return descriptor
    }

    /// A socket that nobody listens on is what a killed relay left behind. Anything else stays.
    private static func removeStale(_ path: String, _ address: inout sockaddr_un) throws(ListenerFault) {
        var entry = stat()
        guard unsafe lstat(path, &entry) == 0 else { return }
        guard entry.st_mode & S_IFMT == S_IFSOCK else {
            throw fault("unix:\(path)", "is there already and is no socket; remove it, or choose another path")
        }
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard probe >= 0 else { return }
        defer { _ = Glibc.close(probe) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let status = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe connect(probe, $0, length) }
        }
        guard status != 0, errno == ECONNREFUSED else { throw fault("unix:\(path)", reason(EADDRINUSE)) }
        unsafe unlink(path)
    }

    private static func bind<Address>(_ descriptor: Int32, to address: inout Address) -> Int32 {
        let length = socklen_t(MemoryLayout<Address>.size)
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe Glibc.bind(descriptor, $0, length) }
        }
    }
}
