import Glibc
import TallypostCore

/// The hidden `demo-receiver DIRECTORY`: the receiver's process.
enum ReceiverCommand {
    /// The first argument.
    static let name = "demo-receiver"

    /// Serves until it is killed: whatever it answered is committed, so there is nothing to tidy up.
    static func run(_ arguments: [String]) -> Int32 {
        guard let path = arguments.first else { return 64 }
        do throws(DemoError) {
            let ledger: ReceiverLedger
            do throws(StoreError) {
                ledger = try ReceiverLedger(path: "\(path)/receiver.db")
            } catch {
                throw .database(error)
            }
            var servers: [ReceiverServer] = []
            var lines = ""
            for task in DemoTask.allCases {
                let server = try ReceiverServer(task: task, ledger: ledger)
                servers.append(server)
                lines += "\(task.rawValue) \(server.port)\n"
            }
            try DemoDirectory.write(lines, to: "\(path)/receiver.ports")
            while !servers.isEmpty { pause() }
            return 0
        } catch {
            print(error)
            return error.exitCode.rawValue
        }
    }

    /// The ports as the process wrote them: a line each, type and port.
    static func ports(in text: String) -> [DemoTask: UInt16] {
        var ports: [DemoTask: UInt16] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 2, let task = DemoTask(rawValue: String(words[0])), let port = UInt16(words[1]) else { continue }
            ports[task] = port
        }
        return ports
    }
}
