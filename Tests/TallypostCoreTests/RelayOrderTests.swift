import Simulator
import TallypostCore
import Testing

@Suite struct RelayOrderTests {
    @Test func `tasks of one ordering key go one at a time in the order of their ids`() {
        let bench = RelayBench([.plain("mail", concurrency: 10)])
        let ids = bench.insert(5, type: "mail") { $0.orderingKey = "k" }
        for id in ids {
            bench.settle()
            #expect(bench.open.keys.sorted() == [id])
            bench.answer([id], status: 200)
        }
        bench.settle()
        #expect(bench.sent == ids)
    }

    @Test func `the successor of a keyed task follows at once`() {
        let bench = RelayBench([.plain("mail")])
        let ids = bench.insert(2, type: "mail") { $0.orderingKey = "k" }
        bench.answer([ids[0]], status: 200)
        bench.pass(.milliseconds(10))
        #expect(bench.sent == ids)
    }

    @Test func `the successor follows at once when the head is a bad row`() {
        let bench = RelayBench([.plain("mail")])
        bench.insert(type: "mail") {
            $0.orderingKey = "k"
            $0.payload = nil
        }
        let id = bench.insert(type: "mail") { $0.orderingKey = "k" }[0]
        bench.pass(.milliseconds(10))
        #expect(bench.sent == [id])
    }

    @Test func `a head that will be retried holds its key`() {
        let bench = RelayBench([.plain("mail")])
        let ids = bench.insert(2, type: "mail") { $0.orderingKey = "k" }
        bench.answer([ids[0]], status: 503)
        bench.pass(.milliseconds(990))
        #expect(bench.sent == [ids[0]])
        bench.pass(.milliseconds(60))
        #expect(bench.sent == [ids[0], ids[0]])
    }

    @Test(arguments: [RoutePolicy.WhenFailed.block, .skip])
    func `what a failed head does to its key is the route's choice`(choice: RoutePolicy.WhenFailed) {
        let bench = RelayBench([.plain("mail", whenFailed: choice)])
        let ids = bench.insert(2, type: "mail") { $0.orderingKey = "k" }
        bench.answer([ids[0]], status: 400)
        bench.pass(.seconds(5))
        #expect(bench.status(ids[0]) == "failed")
        #expect(bench.sent == (choice == .block ? [ids[0]] : ids))
        // A person who cancels or retries the head opens the key.
        #expect(bench.database.perform(.retry, on: ids[0]))
        bench.pass(.seconds(2))
        bench.answer([ids[0]], status: 200)
        bench.pass(.seconds(2))
        #expect(bench.sent.contains(ids[1]))
    }

    @Test func `higher priority goes first, and waiting makes up for it`() {
        let bench = RelayBench([.plain("mail", concurrency: 1)])
        let filler = bench.insert(3, type: "mail")
        bench.settle()
        let low = bench.insert(type: "mail") { $0.image.runAt = $0.image.runAt + .minutes(-10) }[0]
        let high = bench.insert(type: "mail") { $0.priority = 5 }[0]
        let normal = bench.insert(type: "mail")[0]
        var order: [Int64] = []
        for _ in 0..<6 {
            order += bench.open.keys.sorted()
            bench.answer(bench.open.keys.sorted(), status: 200)
            bench.settle()
        }
        let rest = order.filter { !filler.contains($0) }
        #expect(rest == [low, high, normal])
    }

    @Test func `a task due later is sent when it is due and not before`() {
        let bench = RelayBench([.plain("mail")])
        let id = bench.insert(type: "mail") { $0.image.runAt = $0.image.runAt + .milliseconds(2_345) }[0]
        bench.pass(.milliseconds(2_340))
        #expect(bench.sent.isEmpty)
        bench.pass(.milliseconds(10))
        #expect(bench.sent == [id])
    }

    @Test func `rows that commit out of the order of their ids are all found`() {
        let bench = RelayBench([.plain("mail", concurrency: 10)])
        let early = bench.database.takeIDs(2)
        let late = bench.insert(2, type: "mail")
        bench.settle()
        bench.database.commit(early.map { MemoryRow(id: $0, type: "mail", now: bench.database.now) })
        bench.pass(.seconds(2))
        #expect(Set(bench.sent) == Set(late + early))
    }
}
