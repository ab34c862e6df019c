import TallypostCore

/// What is going to happen, by time; what is due at the same time, in the order in which it was planned.
struct EventQueue {
    private struct Entry {
        let time: Int64
        let number: Int
        let event: WorldEvent

        func precedes(_ other: Entry) -> Bool { time != other.time ? time < other.time : number < other.number }
    }

    /// A binary heap.
    private var heap: [Entry] = []
    private var planned = 0

    var isEmpty: Bool { heap.isEmpty }

    mutating func plan(_ event: WorldEvent, at time: Int64) {
        heap.append(Entry(time: time, number: planned, event: event))
        planned += 1
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].precedes(heap[parent]) else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func next() -> (time: Int64, event: WorldEvent)? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        guard !heap.isEmpty else { return (first.time, first.event) }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].precedes(heap[least]) {
                least = child
            }
            guard least != parent else { return (first.time, first.event) }
            heap.swapAt(least, parent)
            parent = least
        }
    }
}

/// What can happen in the world. Times are nanoseconds of the world's own time, which no relay can see.
enum WorldEvent {
    // A relay's process. These wait while it is frozen.
    case turn(process: Int, token: Int)
    case reply(process: Int, token: Int)
    case listenEnds(process: Int, token: Int, hint: Bool)
    case listenFails(process: Int, token: Int)
    case answered(flight: Int, Answer.Result)

    // A relay's process from without.
    case thaws(process: Int)
    case crashes, freezes, stops, reconfigures
    case starts(draining: Bool)

    // The database.
    case effect(process: Int, token: Int)
    case zombie(StoreStep, process: Int)
    case goesAway, comesBack

    // Receivers.
    case arrives(flight: Int)
    case responds(flight: Int, Answer.Result)
    case changesMood

    // The application and the people.
    case begins(rows: Int)
    case commits([MemoryRow])
    case personActs

    // The run.
    case calms
    case reviews
}
