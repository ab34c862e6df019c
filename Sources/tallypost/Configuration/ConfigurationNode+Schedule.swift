import FoundationEssentials
import TallypostCore
import TallypostDelivery

extension ConfigurationNode {
    private static let scheduleKeys = ["cron", "zone", "type", "payload", "catchUp"]

    /// Columns of a task that mean nothing for one that comes again and again, and what to write instead.
    private static let senselessColumns = [
        "run_at": "a schedule's tasks are due at its ticks; leave it out",
        "deadline_at": "it would be the same for every tick; give the route a deadline: \"1h\"",
        "run_after": "it would follow the same task at every tick; leave it out",
        "run_if": "it goes with run_after, which a schedule cannot have; leave it out",
        "group_key": "a group ends once, and a schedule goes on; leave it out",
    ]

    /// `{ cron: "0 2 * * *", zone: "Europe/London", type: "build-report", payload: {}, catchUp: "skip" }`, and a task's other columns.
    func schedule(_ name: String, zones: ZoneDirectory) -> Schedule? {
        for (key, reason) in Self.senselessColumns.sorted(by: { $0.key < $1.key }) {
            if case .object(let members) = value, let found = members[key] { child(key, found).report(reason) }
        }
        let known = Self.scheduleKeys + TaskDraft.columns.sorted()
        guard let fields = fields(known) else { return nil }
        if name.isEmpty || name.utf8.count > 200 || !name.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) {
            report("a schedule's name is part of its tasks' idempotency keys: 1 to 200 characters of printable ASCII")
        }
        for name in ["cron", "type"] where fields[name] == nil { report("has no \(name); add it") }
        let zone = fields["zone"].flatMap { $0.zone(in: zones) } ?? .utc
        let times = fields["cron"].flatMap { $0.times(in: zone) }
        guard let times, let type = fields["type"]?.string("a task type") else { return nil }
        if type.isEmpty { fields["type"]?.report("is empty; write the task type of a route") }
        if case .every = times, let zone = fields["zone"] {
            zone.report("goes with a calendar; \"@every\" counts elapsed time, so leave it out")
        }
        var task = TaskDraft(type: type, payload: fields["payload"].map { $0.payload() } ?? "{}")
        for column in TaskDraft.columns.sorted() {
            guard Self.senselessColumns[column] == nil, let node = fields[column] else { continue }
            task.others[column] = node.column(column)
        }
        if (fields["amount_minor"] == nil) != (fields["currency"] == nil) {
            report("has an amount without a currency, or the reverse; write amount_minor and currency, or neither")
        }
        return Schedule(name: name, times: times, task: task, catchUp: fields["catchUp"]?.word(Schedule.CatchUp.self) ?? .skip)
    }

    private func zone(in zones: ZoneDirectory) -> Zone? {
        guard let text = string("a time zone such as \"Europe/London\"") else { return nil }
        do { return try zones.zone(text) } catch {
            report("\"\(text)\": \(error.reason)")
            return nil
        }
    }

    /// Five fields, a nickname, or `@every 90s`.
    private func times(in zone: Zone) -> ScheduleTimes? {
        guard let text = string("a cron expression") else { return nil }
        if text.hasPrefix("@every "), let span = TimeSpan(configured: String(text.dropFirst(7))), span > .zero {
            guard span >= .seconds(1), span.milliseconds % 1_000 == 0 else {
                report("\"\(text)\": an interval is a whole number of seconds, at least \"@every 1s\"")
                return nil
            }
            return .every(span.milliseconds / 1_000)
        }
        if text.hasPrefix("@every ") {
            report("\"\(text)\": no interval; write \"@every 5m\"")
            return nil
        }
        do { return .cron(try CronPattern(parsing: text), zone) } catch {
            report("\"\(text)\": \(error.reason)")
            return nil
        }
    }

    /// JSON text, the same for the same configuration: two relays offer one tick with the same task.
    private func payload() -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(value) else {
            report("cannot be written as JSON: it holds NaN or Infinity; write a number or a string")
            return "{}"
        }
        return String(decoding: data, as: UTF8.self)
    }

    /// A column's text, as ``TaskDraft/others`` has it.
    private func column(_ name: String) -> String? {
        switch name {
        case "priority": return integer(-32_768...32_767).map(String.init)
        case "max_attempts": return integer(0...1_000_000).map(String.init)
        case "timeout_seconds": return integer(1...86_400).map(String.init)
        case "max_wait_seconds": return integer(1...315_360_000).map(String.init)
        case "amount_minor":
            guard case .integer(let number) = value else {
                report("must be a whole number of minor units, but is \(value.kind)")
                return nil
            }
            return String(number)
        case "currency":
            guard let text = string("a currency") else { return nil }
            guard text.utf8.count == 3, text.utf8.allSatisfy({ $0 &- UInt8(ascii: "A") < 26 }) else {
                report("\"\(text)\" is no ISO 4217 code; write one such as \"EUR\"")
                return nil
            }
            return text
        case "wait_for_signal": return boolean().map { $0 ? "true" : "false" }
        case "headers":
            guard case .object(let members) = value, members.values.allSatisfy({ $0.kind == "a string" }) else {
                report("must be an object of strings")
                return nil
            }
            return payload()
        case "target_url", "on_complete_url", "on_failure_url":
            guard let text = string("a URL") else { return nil }
            do {
                _ = try CurlTargetParser().origin(of: text)
                return text
            } catch {
                report(error.reason)
                return nil
            }
        default: return string()
        }
    }
}
