import TallypostCore
import TallypostRelay

/// Turns the facts about a task into sentences: where it stands, why, and what would move it on.
struct ExplanationText {
    let facts: Explanation
    /// What relays say of its type and destination.
    var flow: [String] = []
    /// What keeps relays from sending anything.
    var hold: DispatchHold?
    /// Its route, where the configuration is known.
    var route: RoutePolicy?

    private var id: Int64 { facts.task.id }
    private var type: String { facts.task["type"] ?? "(none)" }
    private var attempts: Int { facts.task["attempts"].flatMap(Int.init) ?? 0 }

    /// In the order in which a person would ask.
    var sentences: [String] {
        guard let word = facts.task["status"] else {
            return ["Task \(id) has no status. A relay will set it aside as failed."]
        }
        guard let status = TaskStatus(rawValue: word) else {
            return ["Task \(id) has the status “\(word)”, which no relay wrote. A relay will set it aside as failed."]
        }
        switch status {
        case .blocked: return [blocked] + deadline
        case .pending: return pending + deadline
        case .processing: return processing
        case .waiting: return waiting
        case .completed:
            return ["Task \(id) is completed\(ended): the receiver answered \(facts.task["response_status"] ?? "2xx"), \(tries)."]
        case .failed: return ["Task \(id) is a dead letter\(ended), \(tries): \(lastError).", again]
        case .timeout: return ["Task \(id) ended as timeout\(ended), \(tries): \(lastError).", again]
        case .cancelled:
            // Whoever was called off by a chain, a group or a fan-out has the reason in its row; a person leaves an event.
            if let reason = facts.task["last_error"],
                reason.hasPrefix("not run: ") || reason.hasSuffix(" was called off") || reason.contains("whose delivery this is")
            {
                return [
                    "Task \(id) was cancelled\(ended), \(tries): \(reason).",
                    "Sent again by a person it runs all the same: tallypost task retry \(id).",
                ]
            }
            return ["Task \(id) was cancelled\(ended), \(tries). Its events say by whom: tallypost task show \(id).", again]
        }
    }

    private var blocked: String {
        guard let predecessor = facts.task["run_after"] else {
            return "Task \(id) is blocked, but names no predecessor in run_after."
        }
        return "Task \(id) is blocked until task \(predecessor) is \(facts.task["run_if"] ?? "completed")."
    }

    private var waiting: [String] {
        if facts.task["wait_for_signal"] != "true" {
            return [
                "Task \(id) waits for its deliveries to the subscribers of \(type): tallypost task list --type '\(type)/NAME' shows them."
            ]
        }
        let end = facts.task["waits_until"].map { ", until \($0) at the latest" } ?? ""
        let progress = facts.task["progress"].map { ["Its worker has reported \($0)."] } ?? []
        return ["Task \(id) was accepted by its receiver and waits for a signal\(end)."] + progress
    }

    private var pending: [String] {
        var sentences: [String] = []
        if let reason = facts.task["last_error"], reason.hasPrefix(HoldRule.mark) {
            sentences.append(
                "A rule held it before dispatch when it was last looked at: \(reason.dropFirst(HoldRule.mark.count)). It goes by itself "
                    + "when the row is there; it is looked at again when it is due.")
        } else if attempts > 0 {
            sentences.append("It was tried \(attempts == 1 ? "once" : "\(attempts) times"); the last time: \(lastError).")
        }
        if let hold {
            sentences.append(
                "No relay sends anything of this database: \(hold.reason). To look and to lift it: tallypost doctor --after-restore."
            )
        }
        if let reason = facts.pausedBecause {
            sentences.append(
                "Its route \(type) is paused: \(reason). Nothing of this type is sent until: tallypost route resume \(type).")
        }
        if let holder = facts.keyHolder {
            let key = facts.task["ordering_key"] ?? ""
            sentences.append(
                "Task \(holder.id), which is \(holder.status), comes first on its ordering key “\(key)”"
                    + (TaskStatus(rawValue: holder.status)?.isFinal == true
                        ? ": until somebody retries or cancels that one, this one stays." : "."))
        }
        if facts.runAt > facts.now {
            sentences.append("It is not due before \(facts.runAt.iso8601), in \((facts.runAt - facts.now).spoken).")
        } else {
            sentences.append("It is due since \(facts.runAt.iso8601), for \((facts.now - facts.runAt).spoken).")
            if facts.dueBefore > 0 {
                sentences.append(
                    "\(facts.dueBefore) due task\(facts.dueBefore == 1 ? "" : "s") of its type come\(facts.dueBefore == 1 ? "s" : "") before it."
                )
            }
            if sentences.count == 1, flow.isEmpty {
                sentences.append(
                    "Nothing holds it in the database: it waits for a relay with a free place for its destination. Does one run, with a route for \(type)?"
                )
            }
            if sentences.count <= 2, let route { sentences.append(Self.limits(of: route)) }
        }
        sentences += flow
        return ["Task \(id) is pending."] + sentences
    }

    private static func limits(of route: RoutePolicy) -> String {
        let rate = route.rate.map { ", and at most \($0.text) (at once \($0.burst)) over all relays" } ?? ""
        return "A relay sends at most \(route.concurrency) of its type at once to one destination\(rate)."
    }

    private var processing: [String] {
        let holder = facts.task["leased_by"] ?? "a relay"
        let start = "Task \(id) is being sent by \(holder), attempt \(attempts)"
        guard let end = facts.leaseExpiresAt else { return ["\(start), without a lease: another relay will take it over."] }
        if end > facts.now {
            return [
                "\(start). Its lease ends in \((end - facts.now).spoken); should that relay be gone, another attempt follows then."
            ]
        }
        return [
            "\(start), but its lease ran out \((facts.now - end).spoken) ago. That relay is presumed dead, and the next relay that looks "
                + "goes on with the task. Does one run?"
        ]
    }

    private var deadline: [String] {
        guard let deadline = facts.task["deadline_at"] else { return [] }
        return ["If it is not sent by \(deadline), it ends as timeout."]
    }

    private var ended: String { facts.task["finished_at"].map { " since \($0)" } ?? "" }
    private var tries: String { "after \(attempts) attempt\(attempts == 1 ? "" : "s")" }
    private var lastError: String { facts.task["last_error"] ?? "no error is kept" }
    private var again: String { "To send it again: tallypost task retry \(id)." }
}
