import TallypostCore

/// The rules of breakers, `Retry-After` and rates, as they show in what a relay decides.
extension World {
    /// What a relay tells people must be what it does.
    func hear(_ notice: RelayNotice, of process: RelayProcess) {
        let now = process.clock(at: time)
        switch notice {
        case .routePaused(let type, _): process.goneTypes.append(type)
        case .breakerOpened(let origin, _, _, let wait), .breakerStaysOpen(let origin, let wait):
            if !process.troubled.contains(origin) {
                violated("relay-\(process.number) opens its breaker for \(origin), which has served it well")
            }
            process.closedUntil[origin] = max(process.closedUntil[origin] ?? now, now + wait)
            process.broken[origin] = .some(nil)
        case .breakerClosed(let origin): process.broken[origin] = nil
        case .slowedDown(let origin, let span):
            process.closedUntil[origin] = max(process.closedUntil[origin] ?? now, now + span)
        default: break
        }
    }

    /// Nothing goes to a destination that is closed, one probe to one that is broken, and no more than the rate anywhere.
    func checkFlow(_ delivery: Delivery, of process: RelayProcess) {
        let who = "relay-\(process.number) sends task \(delivery.task.id)"
        let now = process.clock(at: time)
        // Beyond the bound a relay may forget what it knew.
        if scenario.limits.remembered > 100 {
            if let until = process.closedUntil[delivery.origin], until > now {
                violated("\(who) to \(delivery.origin), where it would send nothing for another \((until - now).milliseconds) ms")
            }
            if let probe = process.broken[delivery.origin] {
                if let probe, process.owesAnswer(to: probe) { violated("\(who) as a second probe of \(delivery.origin)") }
                process.broken[delivery.origin] = .some(LeaseID(id: delivery.task.id, epoch: delivery.task.epoch))
            }
        }
        checkRate(delivery, of: process)
    }

    /// One bucket for all relays: it leaks at the rate, and each request pours one in.
    private func checkRate(_ delivery: Delivery, of process: RelayProcess) {
        guard scenario.limits.remembered > 100, let rate = scenario.routes[delivery.task.type]?.rate else { return }
        let channel = "\(delivery.task.type) \(delivery.origin.host)"
        let perSecond = Double(rate.count) / rate.per.seconds
        let last = ledger.poured[channel] ?? (0, time)
        let leaked = perSecond * Double(time - last.at) / 1e9 * 1.001
        let level = max(0, last.level - leaked) + 1
        ledger.poured[channel] = (level, time)
        // Each relay must be able to send one; each that starts may send one that it does not know of.
        var most = Double(max(rate.burst, processes.count) + processes.count)
        if !hasPromptStores {
            // One that cannot sign in time goes on with its old share for the life of its last sign.
            most += perSecond * scenario.limits.signLife.seconds * Double(processes.count)
        }
        if level > most {
            violated(
                "relay-\(process.number) sends task \(delivery.task.id) beyond the rate \(rate.text) of \(channel): "
                    + "\(Int(level)) at once, \(Int(most)) at most")
        }
    }

    /// Relays hear of each other in time.
    private var hasPromptStores: Bool {
        scenario.storeSlowness == 0 && scenario.storeFaults == 0 && scenario.outages == 0 && scenario.freezes == 0
            && scenario.freezesInMidTurn == 0
    }

    /// A task is put off for longer than others of its type warrant only where its destination or its rate asks for it.
    func checkAbsences(_ outcomes: [Outcome], of process: RelayProcess) {
        for outcome in outcomes {
            guard case .released(let delay) = outcome.change, delay > scenario.limits.crowdedDelay,
                let row = database.row(outcome.id), let type = row.type, let route = process.routes[type], route.rate == nil,
                let origin = row.targetURL.map({ Origin(scheme: "http", host: String($0.dropFirst(7)), port: 80) })
                    ?? route.origin
            else { continue }
            if !process.troubled.contains(origin) {
                let span = "\(delay.milliseconds) ms"
                violated("relay-\(process.number) puts off task \(outcome.id) for \(span), and \(origin) has served it well")
            }
        }
    }
}
