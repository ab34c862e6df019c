import TallypostCore

/// The application that inserts tasks, and the people who retry, cancel, pause and resume.
extension World {
    func planTransaction() {
        // A few come when all is calm again.
        let last = random.chance(900) ? scenario.turbulence : scenario.turbulence + 3 * second
        pendingTransactions += 1
        queue.plan(.begins(rows: random.pick([1, 1, 1, 2, 3, 8])), at: random.chance(300) ? 0 : random.span(0...last))
    }

    /// Rows get their ids now and are seen later, or never: ids commit out of order.
    func beginTransaction(rows count: Int) {
        pendingTransactions -= 1
        let ids = database.takeIDs(count)
        if random.chance(60) {
            note(.rolledBack, nil, ids.lowerBound, ids.upperBound)
            return
        }
        let rows = ids.map { drawRow($0) }
        if random.chance(700) {
            commit(rows)
        } else {
            note(.began, nil, ids.lowerBound, ids.upperBound)
            pendingTransactions += 1
            queue.plan(.commits(rows), at: time + random.span(0...3_000) * millisecond)
        }
    }

    func commit(_ rows: [MemoryRow]) {
        database.commit(rows)
        for row in rows { note(.inserted, nil, row.id) }
        checkChanges(by: nil)
        announce()
    }

    private func drawRow(_ id: Int64) -> MemoryRow {
        let now = database.now
        var row = MemoryRow(id: id, type: random.pick(scenario.types), now: now)
        row.payload = Array("{\"n\":\(id)}".utf8)
        if scenario.orderingKeys > 0, random.chance(600) { row.orderingKey = "key-\(random.int(1...scenario.orderingKeys))" }
        if random.chance(300) { row.priority = random.int(-5...5) }
        if random.chance(200) { row.image.runAt = now + .milliseconds(random.span(-1_000...6_000)) }
        if scenario.hasDeadlines, random.chance(400) { row.deadlineAt = now + .milliseconds(random.span(-200...8_000)) }
        if random.chance(150) { row.maxAttempts = random.int(0...4) }
        if random.chance(scenario.hasLongTasks ? 500 : 100) { row.waitsForSignal = true }
        if scenario.hasRowTargets, random.chance(500) { row.targetURL = "http://" + random.pick(scenario.origins).host }
        if scenario.hasOddRows, random.chance(300) { spoil(&row) }
        return row
    }

    private func spoil(_ row: inout MemoryRow) {
        switch random.int(0...11) {
        case 0: row.type = nil
        case 1, 2: row.type = random.pick(["stranger", "alien"])
        case 3: row.payload = nil
        case 4: row.payload = Array("{oops".utf8)
        case 5: row.payload = Array(("\"" + String(repeating: "x", count: 3_000) + "\"").utf8)
        case 6: row.targetURL = "ftp://nowhere"
        case 7: row.targetURL = "http://forbidden"
        case 8: row.image.status = .stranger(random.pick(["paused", "PENDING", ""]))
        case 9: row.maxAttempts = -1
        case 10: row.timeoutSeconds = random.pick([-5, 0, 1, 2, 100_000])
        default: row.timeoutSeconds = random.pick([1, 2, 3])
        }
    }

    func letSomebodyAct() {
        guard isTurbulent else { return }
        planFault(.personActs, every: scenario.peopleActs)
        switch random.int(0...5) {
        case 0, 1, 2:
            guard !ledger.ids.isEmpty else { return }
            let id = random.pick(ledger.ids)
            let action: TaskAction = random.chance(600) ? .retry : .cancel
            guard database.perform(action, on: id) else { return }
            note(action == .retry ? .retriedByPerson : .cancelledByPerson, nil, id)
            checkChanges(by: nil)
            announce()
        case 3:
            let place = random.int(0...(scenario.types.count - 1))
            database.pause(scenario.types[place], reason: "somebody says so")
            note(.pausedByPerson, nil, Int64(place))
        default: resume(random.int(0...(scenario.types.count - 1)))
        }
    }

    func resume(_ place: Int) {
        let type = scenario.types[place]
        database.resume(type)
        changedAt = time
        ledger.resumedAt[type] = time
        for process in processes { process.goneTypes.removeAll { $0 == type } }
        note(.resumedByPerson, nil, Int64(place))
        announce()
    }
}
