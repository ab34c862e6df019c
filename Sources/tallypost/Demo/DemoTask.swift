/// The four kinds of task that the demo's shop writes, and how the receiver treats each.
///
/// Each has a port of its own at the receiver, so a destination of its own at the relay: the slow one cannot hold the others.
enum DemoTask: String, CaseIterable, Sendable {
    /// Every order has one; answered at once.
    case sendReceipt = "send-receipt"
    /// Answered with 409 twice, then with 200. Not with 503: a destination where most requests fail is left alone for half a minute.
    case updateCRM = "update-crm"
    /// Answered after a second.
    case bookCourier = "book-courier"
    /// Answered with 400, for good: it ends as a dead letter.
    case sendFax = "send-fax"

    /// How the receiver treats it, in words.
    var manner: String {
        switch self {
        case .sendReceipt: "answers at once"
        case .updateCRM: "409 twice, then 200"
        case .bookCourier: "takes a second"
        case .sendFax: "400, always"
        }
    }

    /// The task's key: the same however often the shop or the relay tries.
    func idempotencyKey(order: String) -> String {
        switch self {
        case .sendReceipt: "receipt-\(order)"
        case .updateCRM: "crm-\(order)"
        case .bookCourier: "courier-\(order)"
        case .sendFax: "fax-\(order)"
        }
    }

    /// One order in so many has one.
    var oneOrderIn: UInt64 {
        switch self {
        case .sendReceipt: 1
        case .updateCRM: 10
        case .bookCourier: 20
        case .sendFax: 50
        }
    }
}
