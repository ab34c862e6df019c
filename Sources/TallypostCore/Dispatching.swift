/// The courier as the dispatch loop sees it: what sends, and the one place where the loop sleeps.
///
/// The courier's sockets and whatever else may wake the loop (the store thread's eventfd, a signalfd) stand in one epoll
/// set, so that a wait costs one system call and an answer never waits for a timer of somebody else. Like the courier,
/// it belongs to one thread, and `watch`, `ignore` and `wait` are called on that thread alone.
public protocol CourierLoop: Courier {
    /// Requests sent and not yet collected.
    var inFlight: Int { get }

    /// Adds a descriptor that ends a wait while it is readable (level-triggered: it goes on firing until it is read).
    /// The caller keeps it open until ``ignore(_:)`` or ``Courier/close()``. Watching it again changes nothing.
    func watch(_ descriptor: Int32)

    /// Takes a watched descriptor out again. One that is not watched is ignored.
    func ignore(_ descriptor: Int32)

    /// Sleeps until an answer can be collected, a watched descriptor is readable, or `timeout` has passed (zero or less: does
    /// not sleep), doing the requests' I/O meanwhile, and returns the watched descriptors that are readable.
    ///
    /// It may return early with nothing to report. The caller loops: collect, send, wait.
    func wait(timeout: TimeSpan) -> [Int32]
}
