import CLinux
import Glibc
import Synchronization

/// A bounded queue between threads, with a descriptor that an epoll set or `poll` can wait on.
///
/// Many may post; one takes.
final class Mailbox<Element: Sendable>: Sendable {
    /// An eventfd, readable while elements wait.
    let descriptor: Int32
    private let capacity: Int
    private let elements = Mutex<[Element]>([])

    init(capacity: Int) {
        self.capacity = capacity
        descriptor = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        // Fails only when the process is out of descriptors while it starts.
        precondition(descriptor >= 0, "eventfd: error \(errno)")
    }

    deinit { Glibc.close(descriptor) }

    /// False, and nothing is kept, when the box is full.
    func post(_ element: Element) -> Bool {
        let wasEmpty: Bool? = elements.withLock { elements in
            guard elements.count < capacity else { return nil }
            elements.append(element)
            return elements.count == 1
        }
        guard let wasEmpty else { return false }
        if wasEmpty { _ = eventfd_write(descriptor, 1) }
        return true
    }

    /// Everything that waits, oldest first; empty when nothing does. Never blocks.
    func takeAll() -> [Element] {
        elements.withLock { elements in
            var count: eventfd_t = 0
            _ = unsafe eventfd_read(descriptor, &count)
            var taken: [Element] = []
            swap(&taken, &elements)
            return taken
        }
    }

    /// Blocks until something waits, and takes it all.
    func waitForAll() -> [Element] {
        while true {
            let taken = takeAll()
            if !taken.isEmpty { return taken }
            var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            _ = unsafe poll(&request, 1, -1)
        }
    }
}
