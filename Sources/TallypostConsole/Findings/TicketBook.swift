import CCrypto
import Synchronization
import TallypostCore

/// Lets a browser open one file of a report in a tab, which cannot send the token: a ticket is good for that file, once, for a minute.
final class TicketBook: Sendable {
    private struct Ticket: Sendable {
        var name: FindingsOperation.ReportName
        var until: Instant
    }

    static let lifetime = TimeSpan.seconds(60)
    /// Further ones take the place of the oldest.
    static let most = 256

    private let tickets = Mutex<[String: Ticket]>([:])

    /// Makes one: 43 characters of base64url.
    func issue(_ name: FindingsOperation.ReportName, at now: Instant = ConsoleClock.now()) -> String? {
        var bytes = [UInt8](repeating: 0, count: 32)
        guard unsafe RAND_bytes(&bytes, Int32(bytes.count)) == 1 else { return nil }
        let text = Self.base64URL(bytes)
        tickets.withLock { tickets in
            tickets = tickets.filter { $0.value.until > now }
            if tickets.count >= Self.most, let oldest = tickets.min(by: { $0.value.until < $1.value.until }) {
                tickets[oldest.key] = nil
            }
            tickets[text] = Ticket(name: name, until: now + Self.lifetime)
        }
        return text
    }

    /// Whether it was good for that file. It is good no more.
    func redeem(_ text: String, for name: FindingsOperation.ReportName, at now: Instant = ConsoleClock.now()) -> Bool {
        tickets.withLock { tickets in
            guard let ticket = tickets.removeValue(forKey: text) else { return false }
            return ticket.name == name && ticket.until > now
        }
    }

    private static func base64URL(_ bytes: [UInt8]) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var text: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            count += 8
            while count >= 6 {
                count -= 6
                text.append(digits[Int(bits >> UInt32(count) & 63)])
            }
            bits &= (1 << UInt32(count)) - 1
        }
        if count > 0 { text.append(digits[Int(bits << UInt32(6 - count) & 63)]) }
        return String(decoding: text, as: UTF8.self)
    }
}
