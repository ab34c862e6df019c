import Glibc
import StoreContract
import TallypostCore
import Testing

/// Waking up, on real databases.
@Suite struct WaitTests {
    /// A pipe whose reading end is readable when `true` was asked for.
    private func withPipe(readable: Bool, _ body: (Int32) throws -> Void) throws {
        var ends: [Int32] = [-1, -1]
        try #require(unsafe pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        if readable { try #require(unsafe write(ends[1], "!", 1) == 1) }
        try body(ends[0])
    }

    /// What was written before has been told of.
    private func settleDown(_ store: any TaskStore, _ interrupt: Int32) throws {
        var rounds = 0
        while try store.waitForWork(timeout: .milliseconds(20), interrupt: interrupt) {
            rounds += 1
            try #require(rounds < 20, "the store never comes to rest")
        }
    }

    @Test(arguments: Engine.waking)
    func `another connection's commit ends the wait`(engine: Engine) throws {
        try engine.withDatabase { database in
            let store = try database.makeStore()
            try withPipe(readable: false) { interrupt in
                try settleDown(store, interrupt)
                for round in 0..<20 {
                    let before = Instant.now
                    let insert = InBackground { try database.insert(["type": "mail"]) }
                    #expect(try store.waitForWork(timeout: .seconds(20), interrupt: interrupt), "round \(round)")
                    #expect(Instant.now - before < .seconds(10))
                    let id = try insert.wait()
                    let tasks = try store.claim("mail")
                    #expect(tasks.map(\.id) == [id])
                    _ = try store.settle(tasks.map(\.completed))
                    try settleDown(store, interrupt)
                }
            }
        }
    }

    @Test(arguments: Engine.waking)
    func `a commit before the wait but after the last claim ends it at once`(engine: Engine) throws {
        try engine.withDatabase { database in
            let store = try database.makeStore()
            try withPipe(readable: false) { interrupt in
                try settleDown(store, interrupt)
                #expect(try store.claim("mail").isEmpty)
                try database.insert(["type": "mail"])
                let before = Instant.now
                #expect(try store.waitForWork(timeout: .seconds(20), interrupt: interrupt))
                #expect(Instant.now - before < .seconds(5))
            }
        }
    }

    @Test(arguments: Engine.databases)
    func `the wait ends after its timeout when nothing happens, whatever the store itself wrote`(engine: Engine) throws {
        try engine.withDatabase { database in
            let store = try database.makeStore()
            try database.insert((0..<3).map { _ in ["type": "mail"] })
            let tasks = try store.claim("mail")
            try withPipe(readable: false) { interrupt in
                try settleDown(store, interrupt)
                _ = try store.settle(tasks.map(\.completed))
                let before = Instant.now
                #expect(try store.waitForWork(timeout: .milliseconds(150), interrupt: interrupt) == false)
                let waited = Instant.now - before
                #expect(waited >= .milliseconds(140))
                #expect(waited < .seconds(5))
            }
        }
    }

    @Test(arguments: Engine.databases)
    func `a readable interrupt ends the wait`(engine: Engine) throws {
        try engine.withDatabase { database in
            let store = try database.makeStore()
            try withPipe(readable: false) { try settleDown(store, $0) }
            try withPipe(readable: true) { interrupt in
                let before = Instant.now
                let wasWoken = try store.waitForWork(timeout: .seconds(20), interrupt: interrupt)
                #expect(!wasWoken)
                #expect(Instant.now - before < .seconds(5))
            }
        }
    }

    @Test(arguments: Engine.databases)
    func `what is rolled back ends no wait`(engine: Engine) throws {
        try engine.withDatabase { database in
            let store = try database.makeStore()
            try withPipe(readable: false) { interrupt in
                try settleDown(store, interrupt)
                let insert = InBackground { try database.insertAndRollBack([["type": "mail"]]) }
                #expect(try store.waitForWork(timeout: .milliseconds(100), interrupt: interrupt) == false)
                try insert.wait()
                #expect(try store.waitForWork(timeout: .milliseconds(20), interrupt: interrupt) == false)
            }
        }
    }
}

extension Instant {
    /// The test's own clock.
    static var now: Instant {
        var now = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        return Instant(nanoseconds: Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec))
    }
}
