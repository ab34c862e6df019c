import TallypostCore
import Testing

@Suite struct TaskStatusTests {
    @Test(arguments: TaskStatus.allCases, TaskEvent.allCases)
    func `a final status moves on only by being reopened`(status: TaskStatus, event: TaskEvent) {
        if status.isFinal {
            #expect((status.after(event) == .pending) == (event == .reopened))
        }
    }
}
