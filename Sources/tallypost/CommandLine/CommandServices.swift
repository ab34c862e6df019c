import TallypostCore
import TallypostRelay

/// What commands need of the world: where they are joined with the adapters. Tests bring their own.
struct CommandServices {
    /// A connection for people's work.
    var openDesk: (DatabaseURL) throws(StoreError) -> any TaskDesk
    /// Who makes and checks the tables; connects when it is asked to do so.
    var schemaKeeper: (DatabaseURL) throws(StoreError) -> any SchemaKeeper
    /// The configuration, checked whole; with its secrets unless the sources say otherwise.
    var loadConfiguration: (Configuration.Sources) throws(ConfigurationError) -> Configuration
    /// Whether a connection to the receiver comes about: what stands in the way, or nil.
    var reachReceiver: (Origin) -> String?
    /// `run`.
    var runRelay: (RunOptions) throws(ConfigurationError) -> ExitCode
    /// `demo`.
    var runDemo: (DemoOptions) -> ExitCode
    /// Reconciliation's connection.
    var openReconcile: (DatabaseURL) throws(StoreError) -> any ReconcileDatabase = { database throws(StoreError) in
        try Engine(database).openReconcile()
    }
}

/// What `run` was asked for.
struct RunOptions: Sendable, Equatable {
    /// Where the settings come from, at the start and at every reload.
    var sources: Configuration.Sources
    /// `--drain`: end when nothing is due or in flight.
    var drains: Bool
    /// `--log-level`.
    var logLevel: Log.Level
    /// `--log-format`; nil: as suits who reads it.
    var logFormat: Log.Format?
}
