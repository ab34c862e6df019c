import Foundation
import Glibc
import StoreContract
import Synchronization

/// A server that cannot outlive this process, however that ends: a shell starts it, reads from a pipe that only we hold the
/// other end of, and stops it when the pipe closes.
final class GuardedProcess: Sendable {
    private let pipe: Mutex<Int32>
    private let shell: Mutex<Process>

    /// - Parameters:
    ///   - command: program and arguments.
    ///   - signal: the name of the signal that stops it.
    ///   - directory: goes with it, unless it is stopped for another start.
    ///   - log: where its output goes.
    init(_ command: [String], signal: String, directory: String, log: String) throws {
        var ends: [Int32] = [-1, -1]
        guard unsafe Glibc.pipe(&ends) == 0, fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0, fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0
        else {
            throw FixtureError("no pipe: errno \(errno)")
        }
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sh")
        let script = """
            trap '' INT TERM HUP
            directory=$1 log=$2; shift 2
            cd /
            "$@" < /dev/null > "$log" 2>&1 &
            wish=$(cat)
            kill -\(signal) $!
            wait
            [ "$wish" = keep ] || rm -rf "$directory"
            """
        process.arguments = ["-c", script, "guard", directory, log] + command
        process.standardInput = FileHandle(fileDescriptor: ends[0], closeOnDealloc: false)
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        defer { close(ends[0]) }
        try Self.start(process)
        pipe = Mutex(ends[1])
        shell = Mutex(process)
    }

    /// Stops it and waits until it is gone, with its directory or without.
    func stop(keepingDirectory keeps: Bool = false) {
        let isOpen = pipe.withLock { descriptor in
            defer { descriptor = -1 }
            if descriptor >= 0, keeps { _ = unsafe write(descriptor, "keep", 4) }
            return descriptor >= 0 && close(descriptor) == 0
        }
        if isOpen { shell.withLock { $0.waitUntilExit() } }
    }

    deinit { stop() }

    /// Tests run on threads that block every signal, and a child would inherit that: it could not be stopped.
    private static func start(_ process: Process) throws {
        var none = sigset_t()
        var before = sigset_t()
        unsafe sigemptyset(&none)
        unsafe pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        try process.run()
    }

    /// Runs a program to its end; throws what it said when it failed. Returns its output.
    @discardableResult static func run(_ command: [String], input: String = "") throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = command
        process.currentDirectoryURL = URL(filePath: "/")
        let output = Pipe()
        let given = Pipe()
        process.standardInput = given
        process.standardOutput = output
        process.standardError = output
        try start(process)
        given.fileHandleForWriting.write(Data(input.utf8))
        try given.fileHandleForWriting.close()
        let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw FixtureError("\(command.joined(separator: " ")) ended with \(process.terminationStatus): \(said)")
        }
        return said
    }

    /// PostgreSQL and PgBouncer refuse to run as root.
    static let asOwner = getuid() == 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] : []

    /// A directory that such a server can reach and own.
    static func makeDirectory() throws -> String {
        let path = NSTemporaryDirectory() + "/tallypost-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        _ = unsafe chmod(path, 0o711)
        if getuid() == 0 { try run(["chown", "postgres", path]) }
        return path
    }

    /// A port of 127.0.0.1 that nobody listens on just now.
    static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe bind(descriptor, address, length) == 0 && getsockname(descriptor, address, &length) == 0
            }
        }
        guard bound else { throw FixtureError("no free port: errno \(errno)") }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}
