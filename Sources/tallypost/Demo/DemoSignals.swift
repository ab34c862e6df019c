import CLinux
import Glibc

/// The signals that end a demo, taken as input of its loop instead of at any moment, so that what was started is always ended.
final class DemoSignals {
    /// What a wait brought.
    enum Event {
        /// The time passed.
        case timeout
        /// Somebody asks the demo to end.
        case end
        /// The terminal has another size.
        case resized
    }

    private let descriptor: Int32

    /// Blocks the signals for this thread and those it starts. To be made before anything that would have to be cleaned up.
    init() throws(DemoError) {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH] { unsafe sigaddset(&set, signal) }
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
        // A reader that went away (`tallypost demo | head`) must not end us before we have cleaned up.
        _ = unsafe signal(SIGPIPE, SIG_IGN)
        descriptor = unsafe signalfd(-1, &set, Int32(SFD_NONBLOCK.rawValue | SFD_CLOEXEC.rawValue))
        guard descriptor >= 0 else { throw .lastError(of: "signalfd") }
    }

    deinit { close(descriptor) }

    /// Waits for a signal, at most so long.
    func wait(milliseconds: Int) -> Event {
        var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe Glibc.poll(&poll, 1, Int32(clamping: max(0, milliseconds))) == 1 else { return .timeout }
        var information = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        guard unsafe read(descriptor, &information, size) == size else { return .timeout }
        return information.ssi_signo == UInt32(SIGWINCH) ? .resized : .end
    }
}
