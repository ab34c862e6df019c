import Glibc
import Synchronization
import TallypostCore
import Testing

@testable import TallypostConsole

@Suite struct `Waiting for the end of a task` {
    let bench: Bench
    init() throws { bench = try Bench() }

    @Test func `a task that has ended, or is not there, is answered at once`() throws {
        bench.database.addTask(1, ["status": "completed"])
        bench.database.state.withLock { $0.ended = [1] }
        let start = ConsoleClock.now()
        #expect(try bench.admin().ask("GET", "/v1/tasks/1?wait=60").status == 200)
        #expect(try bench.admin().ask("GET", "/v1/tasks/2?wait=60").status == 404)
        #expect(ConsoleClock.now() - start < .seconds(30))
        #expect(try bench.admin().ask("GET", "/v1/tasks/1?wait=61").status == 400)
    }

    @Test func `a thousand waiters cost neither a query each nor an answer too early`() throws {
        var limit = rlimit()
        unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = min(limit.rlim_max, 16_384)
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        bench.database.addTask(1, ["status": "processing"])
        let clients = try (0..<1_000).map { _ in try bench.admin() }
        for client in clients { client.send("GET /v1/tasks/1?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n") }
        // All are in before the task ends: the server answers in order of arrival on each turn.
        _ = try bench.admin().ask("GET", "/v1/tasks/1?wait=1")
        bench.database.addTask(1, ["status": "completed"])
        bench.database.state.withLock { $0.ended = [1] }
        #expect(clients.allSatisfy { $0.reply()?.body.contains("completed") == true })
        let (queries, shows) = bench.database.state.withLock { ($0.endedQueries, $0.shows) }
        #expect(queries < 500 && shows < 500)
    }

    @Test func `a stop answers all who wait, and takes signals until then`() throws {
        bench.database.addTask(1, ["status": "processing"])
        let clients = try (0..<50).map { _ in try bench.admin() }
        for client in clients { client.send("GET /v1/tasks/1?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n") }
        _ = try bench.admin().ask("GET", "/v1/tasks/1?wait=1")
        #expect(try bench.public().ask("POST", "/v1/signals/\(bench.token(1))", #"{"status":"failed"}"#).status == 200)
        let idle = try bench.admin()
        bench.console.stop()
        #expect(clients.allSatisfy { $0.reply()?.status == 503 })
        #expect(idle.isClosed)
    }
}

@Suite struct `Listening sockets` {
    @Test func `a path that a dead process left is taken over, a living one's is not, and ours goes at the end`() throws {
        let path = "/tmp/tallypost-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).sock"
        let first = try ListeningSocket(.unix(path: path))
        #expect(first.isUnix && first.isLocal && first.port == nil)
        #expect(throws: ListenerFault.self) { try ListeningSocket(.unix(path: path)) }
        // What a killed process leaves: the path, and nobody behind it.
        close(first.descriptor)
        let second = try ListeningSocket(.unix(path: path))
        var entry = stat()
        #expect(unsafe lstat(path, &entry) == 0 && entry.st_mode & 0o007 == 0)
        second.close()
        #expect(unsafe lstat(path, &entry) != 0)
    }

    @Test func `a port in use is told with the mend`() throws {
        let first = try ListeningSocket(.tcp(host: "127.0.0.1", port: 0))
        let port = try #require(first.port)
        #expect {
            try ListeningSocket(.tcp(host: "127.0.0.1", port: port))
        } throws: { "\($0)".contains("127.0.0.1:\(port) is in use") }
        first.close()
        let again = try ListeningSocket(.tcp(host: "::1", port: 0))
        #expect(again.name.hasPrefix("[::1]:") && again.isLocal)
        again.close()
    }

    @Test func `sockets of systemd are taken by name, and only those meant for this process`() {
        let environment = ["LISTEN_PID": "42", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "admin:public"]
        #expect(InheritedSockets(environment: environment, process: 42).descriptors == ["admin": 3, "public": 4])
        #expect(InheritedSockets(environment: environment, process: 43).descriptors.isEmpty)
    }
}
