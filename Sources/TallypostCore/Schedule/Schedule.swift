/// Inserts a task at each of its times.
public struct Schedule: Sendable, Equatable {
    /// What becomes of ticks that no relay was there for.
    public enum CatchUp: String, Sendable, CaseIterable {
        /// Nothing.
        case skip
        /// The last of them is made up for.
        case latest
    }

    /// Part of the idempotency key.
    public var name: String
    /// When.
    public var times: ScheduleTimes
    /// What, but for its key.
    public var task: TaskDraft
    /// And if nobody was there.
    public var catchUp: CatchUp

    /// Memberwise.
    public init(name: String, times: ScheduleTimes, task: TaskDraft, catchUp: CatchUp = .skip) {
        self.name = name
        self.times = times
        self.task = task
        self.catchUp = catchUp
    }

    /// The task of one tick. Its key is the same whichever relay makes it; it is due since the tick.
    public func draft(of tick: Int64) -> TaskDraft {
        var draft = task
        let time = Timestamp(microseconds: tick * 1_000_000).iso8601
        // Ticks are whole seconds: `schedule-nightly-2026-03-29T01:00:00Z`.
        draft.idempotencyKey = "schedule-\(name)-\(time.dropLast(5))Z"
        draft.others["run_at"] = time
        return draft
    }
}
