//! The arguments that several subcommands share: which store, and how it is reached.

use std::path::PathBuf;

use crate::config::{self, ConfigError, Overrides, Settings, quantity};

use super::Context;

/// How the store is reached. Keys have no flags: arguments are seen by every user of the host.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Store")]
pub struct StoreArgs {
    /// Read settings from this TOML file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address of an S3 server other than Amazon's [env: S3_ENDPOINT_URL]
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// Region of the bucket [env: S3_REGION_NAME]
    #[arg(long, value_name = "NAME")]
    pub region_name: Option<String>,
    /// Use TLS where the address has no scheme [env: S3_USE_SSL]
    #[arg(long, value_name = "BOOL", value_parser = quantity::parse_bool)]
    pub use_ssl: Option<bool>,
    /// Verify TLS certificates [env: S3_VERIFY_SSL]
    #[arg(long, value_name = "BOOL", value_parser = quantity::parse_bool)]
    pub verify_ssl: Option<bool>,
}

/// `--store` and how it is reached: for the commands that talk to the store only.
#[derive(Debug, clap::Args)]
pub struct CommandStoreArgs {
    /// The store: s3://bucket or file:///directory [env: S3_BUCKET_NAME]
    #[arg(long, value_name = "STORE", help_heading = "Store")]
    pub store: Option<String>,
    #[command(flatten)]
    pub reach: StoreArgs,
}

/// Where this host keeps what belongs to a store.
#[derive(Debug, Default, clap::Args)]
pub struct DirArgs {
    /// Directory for catalog and drafts [default: one for each store below ~/.local/state/cairnfs]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Directory for cached objects [default: one for each store below ~/.cache/cairnfs]
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
}

impl DirArgs {
    /// Returns `overrides` with these directories.
    pub fn apply(&self, overrides: Overrides) -> Overrides {
        Overrides { state_dir: self.state_dir.clone(), cache_dir: self.cache_dir.clone(), ..overrides }
    }
}

impl StoreArgs {
    /// Returns what the command line says, with the store that another argument named.
    pub fn overrides(&self, store: Option<(String, &'static str)>) -> Overrides {
        Overrides {
            store,
            config: self.config.clone(),
            endpoint_url: self.endpoint_url.clone(),
            region_name: self.region_name.clone(),
            use_ssl: self.use_ssl,
            verify_ssl: self.verify_ssl,
            ..Overrides::default()
        }
    }
}

impl CommandStoreArgs {
    /// Returns what the command line says.
    pub fn overrides(&self) -> Overrides {
        self.reach.overrides(self.store.clone().map(|store| (store, "--store")))
    }

    /// Loads the settings and warns of what should be warned of.
    ///
    /// # Errors
    /// Every mistake in them, also that no store is named.
    pub fn settings(&self, context: &Context) -> Result<Settings, ConfigError> {
        let settings = config::load(&self.overrides(), &context.environment)?;
        settings.target()?;
        warn(&settings);
        Ok(settings)
    }
}

/// Tells the standing warnings of `settings`.
pub fn warn(settings: &Settings) {
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
}
