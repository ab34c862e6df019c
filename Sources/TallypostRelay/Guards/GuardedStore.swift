import Glibc
public import TallypostCore
import TallypostThreads

/// A store that leases nothing while the database may have gone back in time, and sends nothing whose business row is not there.
///
/// It stands between the store thread and the engine's store, so that the relay's mind knows nothing of either: what must not be sent
/// never reaches it. Before the first claim of a connection, after every error, and every few seconds, it looks at the tide mark and
/// compares it with what it remembers.
public final class GuardedStore: TaskStore {
    /// What people should hear of. Called on the store thread.
    public enum Notice: Sendable {
        /// The database went back in time, or somebody set a hold: nothing is sent until it is lifted.
        case held(DispatchHold)
        /// Relays send again.
        case released
        /// The state file cannot be written: what is remembered ends with this process. Told once.
        case forgetful(String)
        /// A rule's query failed: its tasks are held.
        case ruleFailed(rule: String, type: String, StoreError)
    }

    /// Marks are raised no more often than this, and only when something was written.
    static let raiseInterval = TimeSpan.seconds(2)
    /// An idle relay looks whether somebody set a hold.
    static let lookInterval = TimeSpan.seconds(5)
    /// The same while there is one: whoever lifts it should not wait.
    static let heldInterval = TimeSpan.seconds(1)
    /// Tasks whose holds are counted, at most.
    static let mostCounted = 50_000

    private let inner: any TaskStore
    private let memory: (any TideMemory)?
    private let rules: () -> [HoldRule]
    private let now: () -> Instant
    private let tell: (Notice) -> Void

    private var remembered: RememberedTide?
    private var hasRecalled = false
    private var hold: DispatchHold?
    private var isForgetful = false
    /// The database's clock, and when it was read.
    private var clock = Timestamp(microseconds: 0)
    private var lookedAt = Instant(nanoseconds: .min)
    private var raisedAt = Instant(nanoseconds: 0)
    private var mustLook = true
    /// Something was written since the mark was last raised.
    private var hasWritten = false
    /// How often each task was held.
    private var holds: [Int64: Int] = [:]
    /// Held tasks that could not be put back yet.
    private var owed: [Outcome] = []
    /// Rules whose failure was told.
    private var toldRules: Set<String> = []

    /// - Parameters:
    ///   - inner: the engine's store.
    ///   - memory: outside of the database; nil: this process's own alone.
    ///   - rules: asked for with every claim; a reload may change them.
    ///   - now: the monotonic clock.
    public init(
        _ inner: any TaskStore, memory: (any TideMemory)?, rules: @escaping () -> [HoldRule], now: @escaping () -> Instant,
        tell: @escaping (Notice) -> Void
    ) {
        self.inner = inner
        self.memory = memory
        self.rules = rules
        self.now = now
        self.tell = tell
    }

    /// What keeps it from leasing.
    var currentHold: DispatchHold? { hold }

    // MARK: The tide

    /// Opens, and looks before anything else is done.
    public func open() throws(StoreError) {
        mustLook = true
        try inner.open()
        try look()
    }

    /// The engine's.
    public func tide(raising: Bool) throws(StoreError) -> Tide { try inner.tide(raising: raising) }
    /// The engine's.
    public var tideIsCheap: Bool { inner.tideIsCheap }
    /// The engine's.
    public func hold(_ hold: DispatchHold) throws(StoreError) { try inner.hold(hold) }
    /// The engine's.
    public func unbacked(among ids: [Int64], by rule: HoldRule) throws(StoreError) -> Set<Int64> {
        try inner.unbacked(among: ids, by: rule)
    }

    private func lookIfDue() throws(StoreError) {
        let moment = now()
        let isRaisable = hasWritten && hold == nil && moment - raisedAt >= Self.raiseInterval
        let interval = hold != nil ? Self.heldInterval : Self.lookInterval
        if mustLook || isRaisable || moment - lookedAt >= interval || inner.tideIsCheap { try look(raising: isRaisable) }
    }

    private func look(raising: Bool = false) throws(StoreError) {
        if !hasRecalled {
            remembered = memory?.recall()
            hasRecalled = true
        }
        // Never raised before it is compared: what is lower must be seen as it is.
        var tide = try inner.tide(raising: false)
        if let known = remembered, known.identity == tide.identity, tide.mark < known.mark {
            if tide.hold == nil {
                try inner.hold(Self.hold(tide, known))
                tide = try inner.tide(raising: false)
            }
        } else {
            if raising, tide.hold == nil {
                tide = try inner.tide(raising: true)
                hasWritten = false
                raisedAt = now()
            }
            remember(tide)
        }
        mustLook = false
        lookedAt = now()
        clock = max(clock, tide.at)
        apply(tide.hold)
    }

    private static func hold(_ tide: Tide, _ known: RememberedTide) -> DispatchHold {
        DispatchHold(
            reason: "the database went back in time: its tide mark is \(tide.mark) of \(tide.at.iso8601), and \(known.mark) of "
                + "\(known.at.iso8601) was seen; tasks may have been sent that it does not know of",
            remembered: known.mark, rememberedAt: known.at)
    }

    private func remember(_ tide: Tide) {
        let next = RememberedTide(identity: tide.identity, mark: tide.mark, at: tide.at)
        guard next != remembered else { return }
        remembered = next
        if let fault = memory?.remember(next), !isForgetful {
            isForgetful = true
            tell(.forgetful(fault))
        }
    }

    private func apply(_ found: DispatchHold?) {
        if let found, hold == nil { tell(.held(found)) }
        if found == nil, hold != nil { tell(.released) }
        hold = found
    }

    /// Whatever failed may have failed because the database was replaced.
    private func watching<Value>(_ body: () throws(StoreError) -> Value) throws(StoreError) -> Value {
        do throws(StoreError) { return try body() } catch {
            mustLook = true
            throw error
        }
    }

    // MARK: Claims

    /// Nothing, while there is a hold; and nothing that a rule holds.
    public func claim(_ request: ClaimRequest) throws(StoreError) -> ClaimBatch {
        try watching { () throws(StoreError) in
            try lookIfDue()
            try putBackOwed()
            guard hold == nil else { return nothing }
            return keepBack(try inner.claim(request))
        }
    }

    /// What was decided is written in any case.
    public func exchange(_ outcomes: [Outcome], _ request: ClaimRequest) throws(StoreError) -> (Settlement, ClaimBatch) {
        try watching { () throws(StoreError) in
            try lookIfDue()
            // After the look, which may have raised the mark for what was written before: what is written now is not in it.
            hasWritten = hasWritten || !outcomes.isEmpty
            try putBackOwed()
            guard hold == nil else { return (try inner.settle(outcomes), nothing) }
            let (settlement, batch) = try inner.exchange(outcomes, request)
            return (settlement, keepBack(batch))
        }
    }

    private var nothing: ClaimBatch {
        ClaimBatch(tasks: [], now: clock + max(.zero, now() - lookedAt), mayHaveMore: false)
    }

    /// Puts back what rules hold. Asks nothing of types without a rule.
    private func keepBack(_ batch: ClaimBatch) -> ClaimBatch {
        guard !batch.tasks.isEmpty else { return batch }
        hasWritten = true
        if let mark = batch.mark, let known = remembered, mark < known.mark {
            // Restored under us, with the connection left as it was. None of these is sent.
            owed += batch.tasks.map { Outcome(id: $0.id, epoch: $0.epoch, change: .released(after: .zero)) }
            mustLook = true
            do throws(StoreError) {
                try putBackOwed()
                try look()
            } catch {
                // The next visit finds out.
            }
            return nothing
        }
        let rules = rules()
        guard !rules.isEmpty else { return batch }
        var reasons: [Int64: String] = [:]
        for rule in rules {
            let tasks = batch.tasks.filter { $0.type == rule.type && reasons[$0.id] == nil }
            guard !tasks.isEmpty else { continue }
            do throws(StoreError) {
                let missing = try inner.unbacked(among: tasks.map(\.id), by: rule)
                for task in tasks where missing.contains(task.id) { reasons[task.id] = rule.reason(subject: task.subject) }
                toldRules.remove(rule.name)
            } catch {
                // Nobody knows whether the row is there: a task that waits is better than one that should not have been sent.
                for task in tasks { reasons[task.id] = rule.reason(failure: error) }
                if toldRules.insert(rule.name).inserted { tell(.ruleFailed(rule: rule.name, type: rule.type, error)) }
            }
        }
        var kept = batch
        kept.tasks.removeAll { reasons[$0.id] != nil }
        for task in kept.tasks where holds[task.id] != nil { holds[task.id] = nil }
        guard !reasons.isEmpty else { return kept }
        if holds.count + reasons.count > Self.mostCounted { holds.removeAll() }
        for task in batch.tasks {
            guard let reason = reasons[task.id] else { continue }
            let count = holds[task.id, default: 0]
            holds[task.id] = count + 1
            owed.append(
                Outcome(
                    id: task.id, epoch: task.epoch, change: .held(after: HoldRule.delay(afterHolds: count), reason: reason),
                    hasFollowers: task.hasFollowers))
        }
        // Should it fail, the next visit does it: the leases are long.
        try? putBackOwed()
        return kept
    }

    private func putBackOwed() throws(StoreError) {
        guard !owed.isEmpty else { return }
        owed = try inner.settle(owed).locked
    }

    // MARK: The rest

    /// The engine's.
    public func settle(_ outcomes: [Outcome]) throws(StoreError) -> Settlement {
        try watching { () throws(StoreError) in
            hasWritten = hasWritten || !outcomes.isEmpty
            return try inner.settle(outcomes)
        }
    }

    /// While there is a hold, nobody's lease is taken over: what the database says of it may be old.
    public func expiredLeases(limit: Int) throws(StoreError) -> [ExpiredLease] {
        hold != nil ? [] : try watching { () throws(StoreError) in try inner.expiredLeases(limit: limit) }
    }

    /// While there is a hold nothing is ended.
    public func sweep(limit: Int) throws(StoreError) -> Int {
        try watching { () throws(StoreError) in
            try lookIfDue()
            guard hold == nil else { return 0 }
            let swept = try inner.sweep(limit: limit)
            hasWritten = hasWritten || swept > 0
            return swept
        }
    }

    /// While there is a hold, what is due is no reason to claim.
    public func survey(_ sign: RelaySign?) throws(StoreError) -> Survey {
        try watching { () throws(StoreError) in
            try lookIfDue()
            var survey = try inner.survey(sign)
            if hold != nil {
                survey.mayHaveDue = false
                survey.nextDue = nil
            }
            return survey
        }
    }

    /// The engine's.
    public func earliestLeaseEnd() throws(StoreError) -> Timestamp? { hold != nil ? nil : try inner.earliestLeaseEnd() }

    /// The engine's.
    public func insert(_ drafts: [TaskDraft]) throws(StoreError) -> Int {
        try watching { () throws(StoreError) in
            hasWritten = true
            return try inner.insert(drafts)
        }
    }

    /// The engine's.
    public func pause(route type: String, reason: String) throws(StoreError) {
        try watching { () throws(StoreError) in try inner.pause(route: type, reason: reason) }
    }

    /// While there is a hold, whoever looks for what was sent finds everything.
    public func purge(_ policy: RetentionPolicy) throws(StoreError) -> Purge {
        guard hold == nil else { return Purge(removed: 0, rest: .minutes(1)) }
        return try watching { () throws(StoreError) in
            let purge = try inner.purge(policy)
            hasWritten = hasWritten || purge.removed > 0
            return purge
        }
    }

    /// While there is a hold no news is of interest.
    public func waitForWork(timeout: TimeSpan, interrupt: Int32) throws(StoreError) -> Bool {
        guard hold != nil else {
            return try watching { () throws(StoreError) in try inner.waitForWork(timeout: timeout, interrupt: interrupt) }
        }
        var descriptor = pollfd(fd: interrupt, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&descriptor, 1, Int32(clamping: max(0, timeout.milliseconds)))
        return false
    }

    /// The engine's.
    public func close() { inner.close() }
}
