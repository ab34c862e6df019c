import Glibc
import TallypostThreads
import Testing

@testable import TallypostRelay

private func isReadable(_ descriptor: Int32) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return unsafe poll(&entry, 1, 0) == 1
}

@Suite struct MailboxTests {
    @Test func `messages come out in order, all at once`() {
        let box = Mailbox<Int>(capacity: 4)
        #expect(!isReadable(box.descriptor))
        #expect(box.post(1))
        #expect(box.post(2))
        #expect(isReadable(box.descriptor))
        #expect(box.takeAll() == [1, 2])
        #expect(!isReadable(box.descriptor))
        #expect(box.takeAll() == [])
    }

    @Test func `after a message was posted and taken, on two threads, nothing stays readable`() {
        let (box, starts, answers) = (Mailbox<Int>(capacity: 4), Mailbox<Int>(capacity: 4), Mailbox<Int>(capacity: 4))
        let rounds = 20_000
        let taker = WorkerThread(name: "take") {
            for _ in 0..<rounds {
                _ = starts.waitForAll()
                _ = answers.post(0)
                // Without waiting for the descriptor: the message can be taken while its poster is still posting.
                while box.takeAll().isEmpty {}
                _ = answers.post(0)
            }
        }
        var stale = 0
        for round in 0..<rounds {
            _ = starts.post(round)
            _ = answers.waitForAll()
            _ = box.post(round)
            _ = answers.waitForAll()
            if isReadable(box.descriptor) { stale += 1 }
        }
        taker.join()
        #expect(stale == 0)
    }

    @Test func `a full box turns messages away and counts them`() {
        let box = Mailbox<Int>(capacity: 2)
        #expect(box.post(1))
        #expect(box.post(2))
        #expect(!box.post(3))
        #expect(!box.post(4))
        #expect(box.refused == 2)
        #expect(box.takeAll() == [1, 2])
        #expect(box.post(5))
        #expect(isReadable(box.descriptor))
    }

    @Test func `nothing is lost or doubled between threads, and each thread's order is kept`() {
        let box = Mailbox<(thread: Int, number: Int)>(capacity: 64)
        let each = 5_000
        let threads = (0..<3).map { thread in
            WorkerThread(name: "post") {
                for number in 0..<each { while !box.post((thread, number)) { sched_yield() } }
            }
        }
        var next = [0, 0, 0]
        var inOrder = true
        while next.reduce(0, +) < 3 * each {
            for message in box.waitForAll() {
                inOrder = inOrder && next[message.thread] == message.number
                next[message.thread] += 1
            }
        }
        for thread in threads { thread.join() }
        #expect(inOrder)
        #expect(next == [each, each, each])
        #expect(box.takeAll().isEmpty)
    }
}
