import CLinux
import Glibc

/// A process that runs this very program with other arguments, in a process group of its own, so that Ctrl-C reaches only the
/// demo, which then ends its children itself. Should the demo be killed, the kernel kills them.
final class ChildProcess {
    /// How a process ended.
    enum Ending: Equatable {
        /// With this status.
        case exited(Int32)
        /// By this signal.
        case killed(Int32)
    }

    /// What it is called in messages; also its log's name.
    let name: String
    /// Its process id.
    let identifier: pid_t
    /// Where its output goes.
    let log: String
    /// Nil while it runs.
    private(set) var ending: Ending?

    /// The hidden first argument of the process between, see ``becomeChild(_:)``.
    static let introduction = "demo-child"

    /// Starts it. Must be called on the main thread: the kernel's "parent" is the thread.
    init(name: String, arguments: [String], log: String) throws(DemoError) {
        self.name = name
        self.log = log
        let words = ["tallypost", Self.introduction, String(getpid())] + arguments
        identifier = try Self.spawn(words, log: log)
    }

    deinit { kill() }

    /// Whether it still runs.
    var isRunning: Bool {
        reap(options: WNOHANG)
        return ending == nil
    }

    /// Asks it to end.
    func terminate() { send(SIGTERM) }

    /// Kills it and waits until it is gone.
    func kill() {
        send(SIGKILL)
        reap(options: 0)
    }

    private func send(_ signal: Int32) {
        // A process that was waited for may have given its id to another.
        if isRunning { _ = Glibc.kill(identifier, signal) }
    }

    private func reap(options: Int32) {
        guard ending == nil else { return }
        var status: Int32 = 0
        var found: pid_t
        repeat { found = unsafe waitpid(identifier, &status, options) } while found == -1 && errno == EINTR
        guard found == identifier else { return }
        let signal = status & 0x7F  // WTERMSIG, a macro
        ending = signal == 0 ? .exited(status >> 8 & 0xFF) : .killed(signal)
    }

    /// Its ending and the last lines of its log, for a message.
    var obituary: String {
        let how =
            switch ending {
            case nil: "is still running"
            case .exited(let status): "ended with status \(status)"
            case .killed(let signal): "was killed by signal \(signal)"
            }
        return "the \(name) \(how); the end of its log:\n\(DemoDirectory.tail(of: log))"
    }

    /// The process between: asks to die with its parent, then becomes the program with the remaining arguments.
    /// Returns only when that fails. `posix_spawn` has no attribute for it, and the wish outlives `execve`.
    static func becomeChild(_ arguments: [String]) -> Int32 {
        guard let parent = arguments.first.flatMap({ pid_t($0) }) else { return 64 }
        _ = die_with_parent(SIGKILL)
        // The parent may have died before the wish was made.
        guard getppid() == parent else { return 70 }
        unsafe withArguments(["tallypost"] + arguments.dropFirst()) { _ = unsafe execv("/proc/self/exe", $0) }
        return 70
    }

    /// The words as C wants them, while the body runs.
    private static func withArguments(_ words: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Void) {
        let arguments = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: words.count + 1)
        for (index, word) in words.enumerated() { unsafe arguments[index] = unsafe strdup(word) }
        unsafe arguments[words.count] = nil
        unsafe body(arguments)
        for index in words.indices { unsafe free(arguments[index]) }
        unsafe arguments.deallocate()
    }

    private static func spawn(_ words: [String], log: String) throws(DemoError) -> pid_t {
        var attributes = posix_spawnattr_t()
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawnattr_init(&attributes)
        unsafe posix_spawn_file_actions_init(&actions)
        defer {
            unsafe posix_spawnattr_destroy(&attributes)
            unsafe posix_spawn_file_actions_destroy(&actions)
        }
        // The demo blocks signals and ignores SIGPIPE; its children start as any program does.
        var none = sigset_t()
        var ignored = sigset_t()
        unsafe sigemptyset(&none)
        unsafe sigemptyset(&ignored)
        unsafe sigaddset(&ignored, SIGPIPE)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setsigdefault(&attributes, &ignored)
        unsafe posix_spawnattr_setpgroup(&attributes, 0)
        unsafe posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        unsafe posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        unsafe posix_spawn_file_actions_adddup2(&actions, 1, 2)

        var identifier: pid_t = 0
        var code: Int32 = 0
        unsafe withArguments(words) {
            code = unsafe posix_spawn(&identifier, "/proc/self/exe", &actions, &attributes, $0, environ)
        }
        guard code == 0 else {
            throw .system(
                call: "posix_spawn \(words.joined(separator: " "))", code: code, message: unsafe String(cString: strerror(code)))
        }
        return identifier
    }
}
