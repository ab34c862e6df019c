import TallypostCore

/// A request under way.
struct Flight {
    let process: Int
    let delivery: Delivery
    let sentAt: Int64
    /// The courier has its answer, or has given it up.
    var isOver = false
}

extension Delivery {
    /// All its tasks.
    var items: [ClaimedTask] { [task] + others }
}

/// The wire and the receivers behind it.
extension World {
    func launch(_ delivery: Delivery, from process: RelayProcess) {
        let number = flights.count
        flights.append(Flight(process: process.number, delivery: delivery, sentAt: time))
        process.openFlights.append(number)
        note(.sent, process, delivery.task.id, delivery.task.epoch)
        if delivery.origin.host == "forbidden" {
            queue.plan(
                .answered(flight: number, .refused("the address is forbidden")), at: time + random.span(1...500) * microsecond)
            return
        }
        queue.plan(.answered(flight: number, .unanswered("timed out")), at: time + delivery.timeout.nanoseconds)
        guard !faultsOnWire else { return }
        queue.plan(.arrives(flight: number), at: time + random.span(100...20_000) * microsecond)
        // The wire may carry it twice.
        if faultsOnWire { queue.plan(.arrives(flight: number), at: time + random.span(0...3_000) * millisecond) }
    }

    private var faultsOnWire: Bool { isTurbulent && random.chance(scenario.wireFaults) }

    /// The request reaches its receiver, which decides by its mood.
    func arrive(_ number: Int) {
        let delivery = flights[number].delivery
        let place = scenario.origins.firstIndex(of: delivery.origin) ?? 0
        let timeout = delivery.timeout.nanoseconds
        note(.arrived, nil, delivery.task.id, delivery.task.epoch)
        let quick = time + random.span(1_000...60_000) * microsecond
        switch moods[place] {
        case .good: respond(number, with: 200, at: quick)
        case .slow: respond(number, with: 200, at: time + random.span((timeout / 5)...(timeout * 6 / 5)))
        case .flaky:
            switch random.int(0...3) {
            case 0, 1: respond(number, with: random.pick([200, 201, 202, 204]), at: quick)
            case 2: respond(number, with: random.pick([408, 409, 425, 500, 502, 503]), at: quick)
            default: answer(number, .unanswered("reset"), at: quick)
            }
        case .down: answer(number, .unanswered("connection refused"), at: time + millisecond)
        case .silent:
            // It may do the work and still never say so.
            break
        case .throttling:
            let wait: TimeSpan? =
                random.chance(200) ? nil : .milliseconds(random.pick([0, 500, 2_000, 5_000, 5_000, 200_000_000]))
            plan(number, Answer.Response(status: random.pick([429, 503]), retryAfter: wait), at: quick)
        case .rejecting:
            if random.chance(300) {
                plan(number, Answer.Response(status: 503, forbidsRetry: true), at: quick)
            } else {
                respond(number, with: random.pick([301, 400, 401, 404, 422]), at: quick)
            }
        case .gone: respond(number, with: 410, at: quick)
        }
    }

    private func respond(_ number: Int, with status: Int, at moment: Int64) {
        let body = random.pick(["", "{\"ok\":true}", "fine"])
        var response = Answer.Response(status: status, body: Array(body.utf8))
        let delivery = flights[number].delivery
        if delivery.isBatch, (200...299).contains(status), isTurbulent { response.failures = drawFailures(of: delivery) }
        plan(number, response, at: moment)
    }

    /// Some receivers fail some of a batch.
    private func drawFailures(of delivery: Delivery) -> Answer.ItemFailures {
        guard random.chance(300) else { return .none }
        if random.chance(100) { return .unclear("the answer cannot be read") }
        let failed = delivery.items.filter { _ in random.chance(400) }
        return failed.isEmpty ? .none : .named(Dictionary(uniqueKeysWithValues: failed.map { ($0.idempotencyKey, "no") }))
    }

    private func plan(_ number: Int, _ response: Answer.Response, at moment: Int64) {
        queue.plan(.responds(flight: number, .response(response)), at: moment)
    }

    /// The receiver has decided and says so; from now on it counts what it did as done.
    func respond(_ number: Int, _ result: Answer.Result) {
        let task = flights[number].delivery.task
        if case .response(let response) = result {
            if (200...299).contains(response.status), !response.forbidsRetry {
                for item in flights[number].delivery.items where !response.failures.concern(item.idempotencyKey) {
                    ledger.acknowledged.insert(LeaseID(id: item.id, epoch: item.epoch))
                    note(.answered2xx, nil, item.id, item.epoch)
                }
            } else {
                note(.answeredOther, nil, task.id, Int64(response.status))
            }
        }
        answer(
            number, faultsOnWire ? .unanswered("the answer was lost") : result, at: time + random.span(100...20_000) * microsecond
        )
    }

    private func answer(_ number: Int, _ result: Answer.Result, at moment: Int64) {
        queue.plan(.answered(flight: number, result), at: moment)
    }

    /// The courier has it: the first thing that comes of a request counts.
    func collect(_ number: Int, _ result: Answer.Result, for process: RelayProcess) {
        guard !flights[number].isOver else { return }
        flights[number].isOver = true
        process.openFlights.removeAll { $0 == number }
        let flight = flights[number]
        if case .unanswered = result { note(.unanswered, process, flight.delivery.task.id, flight.delivery.task.epoch) }
        if !isGood(result) { process.troubled.insert(flight.delivery.origin) }
        process.answers.append(
            Answer(
                id: flight.delivery.task.id, epoch: flight.delivery.task.epoch, result: result,
                duration: TimeSpan(nanoseconds: time - flight.sentAt)))
        wake(process)
    }

    private func isGood(_ result: Answer.Result) -> Bool {
        if case .response(let response) = result { (200...299).contains(response.status) } else { false }
    }

    func changeMood() {
        guard isTurbulent else { return }
        planFault(.changesMood, every: scenario.moodChanges)
        let place = random.int(0...(moods.count - 1))
        moods[place] = random.pick([.good, .good, .good, .slow, .flaky, .flaky, .down, .silent, .throttling, .rejecting, .gone])
        note(.moodChanged, nil, Int64(place), Int64(moods[place].rawValue))
    }
}

extension Answer.ItemFailures {
    fileprivate func concern(_ key: String) -> Bool {
        switch self {
        case .none: false
        case .named(let reasons): reasons[key] != nil
        case .unclear: true
        }
    }
}
