import CLinux
import Glibc
import Synchronization
package import TallypostCore

/// A POSIX thread that runs one closure. Foundation's own would draw 40 MB into the binary.
package final class WorkerThread: Sendable {
    private let handle: Mutex<pthread_t?>
    /// Readable when the closure has ended.
    private let ended: EventDescriptor

    /// Starts `body` on a new thread. Signals are blocked on it: they belong to the dispatch loop.
    /// - Parameters:
    ///   - name: at most 15 bytes are shown by the kernel.
    ///   - yields: whether it leaves the processors to other threads when they are wanted (nice 10).
    package init(name: String, yields: Bool = false, body: @escaping @Sendable () -> Void) {
        let ended = EventDescriptor()
        self.ended = ended
        let box = unsafe Unmanaged.passRetained(
            ThreadBody(name: name, yields: yields) {
                body()
                ended.raise()
            })
        var thread = pthread_t()
        let status = unsafe pthread_create(&thread, nil, runThreadBody, box.toOpaque())
        // Fails only when the machine is out of threads or memory: nothing can be done without one.
        precondition(status == 0, "pthread_create: error \(status)")
        handle = Mutex(thread)
    }

    /// Waits for the end of the closure. Again is a no-op.
    package func join() {
        let thread = handle.withLock { handle in
            defer { handle = nil }
            return handle
        }
        if let thread { pthread_join(thread, nil) }
    }

    /// The same, but gives up after a while and leaves the thread to itself: whether it has ended. A call into a database that hangs
    /// must not keep the process from ending.
    @discardableResult package func join(within span: TimeSpan) -> Bool {
        guard ended.wait(atMost: span) else { return false }
        join()
        return true
    }
}

private final class ThreadBody: Sendable {
    let name: String
    let yields: Bool
    let body: @Sendable () -> Void

    init(name: String, yields: Bool, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.yields = yields
        self.body = body
    }
}

private func runThreadBody(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context = unsafe context else { return nil }
    let thread = unsafe Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue()
    _ = unsafe name_this_thread(thread.name)
    var all = sigset_t()
    unsafe sigfillset(&all)
    unsafe pthread_sigmask(SIG_BLOCK, &all, nil)
    // Of this thread alone, on Linux; should it fail, the thread is merely as important as others.
    if thread.yields { _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10) }
    thread.body()
    return nil
}
