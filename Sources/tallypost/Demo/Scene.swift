import TallypostCore

/// One picture of the demo: what is known, and how it looks in a given width. Pure, so that a test can look at it.
struct Scene: Sendable {
    /// What the rows said.
    var snapshot = Snapshot()
    /// Time since the shop opened.
    var elapsed = TimeSpan.zero
    /// What is going on.
    var act = ""
    /// What became of the relay.
    var relay = ""
    /// How often it was started again.
    var restarts = 0
    /// Tasks completed per second, one number for each half second, the newest last.
    var rates: [Double] = []
    /// Where the files are, and how to end it.
    var footer = ""

    /// Tasks completed per second, lately.
    var rate: Double { rates.suffix(2).reduce(0, +) / Double(max(1, min(2, rates.count))) }

    private static let statuses = ["pending", "processing", "completed", "failed"]

    /// The picture, no line longer than `width`. `blocks`: whether the terminal shows block characters.
    func picture(width: Int, blocks: Bool) -> [String] {
        let bar = Bar(hasBlocks: blocks)
        let room = max(8, min(48, width - 26))
        let largest = max(1, Self.statuses.map { snapshot[$0] }.max() ?? 1)
        var lines = [
            "tallypost demo  \(clock)  \(act)",
            "",
            "  shop        \(column(snapshot.orders)) orders committed, \(snapshot.rolledBack) rolled back",
            "  relay       \(relay)",
            "",
        ]
        for status in Self.statuses {
            let name = status.padded(to: 11)
            lines.append("  \(name) \(column(snapshot[status]))  \(bar.line(snapshot[status], of: largest, width: room))")
        }
        lines += [
            "",
            "  delivered/s \(column(Int(rate.rounded())))  \(bar.curve(rates.suffix(room)))",
            "  in flight \(snapshot["processing"])   retries \(snapshot.retries)   dead letters \(snapshot.dead)   "
                + "restarts \(restarts)   repeats at the receiver \(snapshot.repeats)",
            "",
        ]
        for task in DemoTask.allCases {
            let line = snapshot.lines[task] ?? Snapshot.Line()
            lines.append(
                "  \(task.rawValue.padded(to: 13)) \(task.manner.padded(to: 20)) \(column(line.completed)) completed"
                    + "\(column(line.open)) open" + (line.dead > 0 ? "\(column(line.dead)) dead" : ""))
        }
        lines += ["", "  \(footer)"]
        return lines.map { String($0.prefix(max(1, width - 1))) }
    }

    /// The same in one line, for a log.
    var line: String {
        "\(clock)  \(act): orders \(snapshot.orders), rolled back \(snapshot.rolledBack), pending \(snapshot["pending"]), "
            + "in flight \(snapshot["processing"]), completed \(snapshot.completed) (\(Int(rate.rounded()))/s), "
            + "retries \(snapshot.retries), dead letters \(snapshot.dead), restarts \(restarts), repeats \(snapshot.repeats)"
    }

    private var clock: String {
        let seconds = Int(elapsed.seconds)
        return "\(seconds / 60 < 10 ? "0" : "")\(seconds / 60):\(seconds % 60 < 10 ? "0" : "")\(seconds % 60)"
    }

    private func column(_ number: Int) -> String {
        let text = String(number)
        return String(repeating: " ", count: max(1, 6 - text.count)) + text
    }
}

extension String {
    /// With spaces at its end, at least so long.
    func padded(to length: Int) -> String { self + String(repeating: " ", count: max(0, length - count)) }
}
