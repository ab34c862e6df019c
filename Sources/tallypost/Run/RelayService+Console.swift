import TallypostConsole
import TallypostCore
import TallypostRelay

extension RelayService {
    /// The listeners in front of the database, and the threads behind them; nil when nothing listens.
    func console(
        _ listeners: ConsoleListeners, _ engine: Engine, _ pulse: ConsolePulse, _ board: MetricsBoard,
        _ reconciling: ReconcileThread
    ) throws(ConfigurationError) -> Console? {
        guard listeners.admin != nil || listeners.public != nil else { return nil }
        let log = log
        var settings = ConsoleSettings(
            admin: listeners.admin, adminToken: listeners.token, public: listeners.public,
            makeSignalBox: { engine.makeSignalBox() },
            openDesk: { () throws(StoreError) in try engine.openConsole() }, routes: { pulse.routes },
            metrics: { board.text($0, adding: $1 + reconciling.families) }, lastTurn: { pulse.lastTurn },
            isDraining: { pulse.isDraining },
            notice: { $0.write(to: log) })
        settings.openFindings = { () throws(StoreError) in try ReconcileFindingsDesk(engine) }
        settings.reconcilesEvery = { reconciling.every }
        settings.families = { board.families }
        do throws(ListenerFault) { return try Console(settings) } catch {
            throw ConfigurationError(problems: [
                ConfigurationProblem(file: sources.file, line: nil, path: "listen", message: error.description)
            ])
        }
    }
}
