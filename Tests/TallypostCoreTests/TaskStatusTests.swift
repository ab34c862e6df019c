import TallypostCore
import Testing

@Suite struct TaskStatusTests {
    /// Every legal step; whatever is not here is illegal.
    static let legal: [TaskStatus: [TaskEvent: TaskStatus]] = [
        .blocked: [.unblocked: .pending, .deadlinePassed: .timeout, .cancelled: .cancelled],
        .pending: [.claimed: .processing, .deadlinePassed: .timeout, .cancelled: .cancelled],
        .processing: [
            .released: .pending, .attemptFailed: .pending, .leaseExpired: .pending, .delivered: .completed, .accepted: .waiting,
            .rejected: .failed, .deadlinePassed: .timeout,
        ],
        .waiting: [
            .signalledCompleted: .completed, .signalledFailed: .failed, .waitExpired: .timeout, .attemptFailed: .pending,
            .rejected: .failed, .cancelled: .cancelled,
        ],
        .completed: [.reopened: .pending],
        .failed: [.reopened: .pending],
        .timeout: [.reopened: .pending],
        .cancelled: [.reopened: .pending],
    ]

    @Test(arguments: TaskStatus.allCases, TaskEvent.allCases)
    func `a status moves on as the table says and in no other way`(status: TaskStatus, event: TaskEvent) {
        #expect(status.after(event) == Self.legal[status]?[event])
    }

    @Test(arguments: TaskStatus.allCases, TaskEvent.allCases)
    func `a final status moves on only by being reopened`(status: TaskStatus, event: TaskEvent) {
        if status.isFinal {
            #expect((status.after(event) == .pending) == (event == .reopened))
        }
    }

    @Test func `every status can be reached from pending or blocked`() {
        var reached: Set<TaskStatus> = [.pending, .blocked]
        for _ in TaskStatus.allCases {
            for status in reached {
                for event in TaskEvent.allCases { if let next = status.after(event) { reached.insert(next) } }
            }
        }
        #expect(reached == Set(TaskStatus.allCases))
    }

    @Test func `what is being sent cannot be cancelled or retried`() {
        #expect(!TaskAction.cancel.statuses.contains(.processing))
        #expect(TaskAction.cancel.statuses == [.blocked, .pending, .waiting])
        #expect(TaskAction.retry.statuses == [.completed, .failed, .timeout, .cancelled])
    }

    @Test func `an outcome leads where its event leads from processing`() {
        let changes: [Outcome.Change] = [
            .completed(responseStatus: 200, result: nil),
            .waiting(responseStatus: 202, startResult: nil, longestWait: nil, heartbeat: nil),
            .retry(after: .zero, responseStatus: nil, error: "x"), .failed(responseStatus: 400, error: "x"),
            .timedOut(error: "x"), .released(after: .zero),
        ]
        for change in changes {
            let outcome = Outcome(id: 1, epoch: 1, change: change)
            #expect(TaskStatus.processing.after(outcome.event) == outcome.status)
        }
    }
}
