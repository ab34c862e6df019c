import TallypostCore

extension Log {
    /// What the relay has to tell people, as one line with its facts as fields.
    func report(_ notice: RelayNotice) {
        switch notice {
        case .storeAway(let error, let wait):
            self.error(
                "the database does not answer; trying again",
                ["error": error.description, "retry_after_ms": String(wait.milliseconds)])
        case .ticksMissed(let schedule, let since):
            warning(
                "ticks of a schedule came too late and were left out; catchUp: \"latest\" makes up for the last of them",
                ["schedule": schedule, "since": since.iso8601])
        case .tickRefused(let schedule, let key, let error, let wait):
            self.error(
                "the database refuses a schedule's task",
                ["schedule": schedule, "key": key, "error": error.description, "retry_after_ms": String(wait.milliseconds)])
        case .scheduleOfPausedRoute(let schedule, let type):
            warning(
                "a schedule inserts tasks of a route that is paused; they wait",
                ["schedule": schedule, "type": type, "mend": "tallypost route resume \(type)"])
        case .storeBack: info("the database answers again", [:])
        case .deadLetter(let id, let type, let reason):
            error("task failed", ["task": String(id), "type": type, "reason": reason])
        case .timedOut(let id, let type): warning("task timed out", ["task": String(id), "type": type])
        case .lateOutcomes(let ids):
            warning(
                "outcomes of lost leases dropped",
                ["count": String(ids.count), "tasks": ids.prefix(20).map(String.init).joined(separator: ",")])
        case .rowsLocked(let ids):
            warning(
                "another session holds rows locked; their outcomes are written when it lets go",
                ["count": String(ids.count), "tasks": ids.prefix(20).map(String.init).joined(separator: ",")])
        case .leaseRecovered(let id, let type, let relay):
            warning("lease ran out; the task goes on", ["task": String(id), "type": type, "relay": relay ?? "unknown"])
        case .workerSilent(let id, let type):
            warning("no heartbeat in time: the attempt has failed", ["task": String(id), "type": type])
        case .routePaused(let type, let reason):
            critical(
                "route paused: nothing of this type is sent until it is resumed",
                ["type": type, "reason": reason, "mend": "tallypost route resume \(type)"])
        case .unknownType(let type):
            error(
                "no route for a type in the table: its tasks are set aside as failed",
                ["type": type, "mend": "add routes.\(type) to the configuration"])
        case .breakerOpened(let origin, let failures, let attempts, let wait):
            error(
                "breaker opened: nothing is sent to this destination until a probe",
                [
                    "destination": origin.description, "failures": String(failures), "attempts": String(attempts),
                    "retry_after_ms": String(wait.milliseconds),
                ])
        case .breakerStaysOpen(let origin, let wait):
            warning(
                "the probe failed: the breaker stays open",
                ["destination": origin.description, "retry_after_ms": String(wait.milliseconds)])
        case .breakerClosed(let origin):
            info("breaker closed: the destination answers again", ["destination": origin.description])
        case .slowedDown(let origin, let span):
            warning(
                "the destination asked for time (Retry-After): nothing is sent there before",
                ["destination": origin.description, "retry_after_ms": String(span.milliseconds)])
        case .storeSlow(let took, let batch):
            warning(
                "the database is slow: claims are made smaller",
                ["took_ms": String(took.milliseconds), "claim_limit": String(batch)])
        case .storeQuick: info("the database is quick again", [:])
        case .purged(let count): info("tasks that ended long ago were removed", ["count": String(count)])
        case .purgeFailed(let error, let wait):
            warning(
                "retention cannot remove what ended long ago",
                [
                    "error": error.description, "retry_after_s": String(wait.milliseconds / 1_000),
                    "mend": "run `tallypost doctor`, or set retention: \"never\"",
                ])
        case .memoryBound(let tasks, let bytes):
            warning(
                "memory bound reached: nothing is claimed until some of it is sent",
                ["tasks": String(tasks), "bytes": String(bytes)])
        }
    }
}
