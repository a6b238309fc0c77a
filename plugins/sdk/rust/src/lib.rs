//! What a Thresher plugin in Rust is written with. It depends on nothing but the standard
//! library, and builds with rustc 1.63 and newer.
//!
//! A plugin is a `cdylib` that declares its routines once, with [`plugin!`]. From the
//! declaration come the code that the host calls, the manifest, and the JSON Schema of
//! the params. Natively the same plugin runs on [`test::Job`], with tables made of text,
//! so that `cargo test` needs no WebAssembly. docs/plugins/rust.md is a tutorial,
//! docs/abi.md the contract below it.
//!
//! What a routine cannot do is an [`Error`], passed on with `?`: the job fails with its
//! text. A panic crashes the job; its message is in the log.

mod call;
mod declare;
mod host;
mod json;
mod random;
mod table;
#[cfg(not(target_arch = "wasm32"))]
pub mod test;
pub mod vector;
mod writer;

pub use call::Call;
pub use declare::{analysis, simulation, Column, Example, Field, Input, Param, Params, Plugin, Routine, Simulation};
pub use json::Json;
pub use random::Random;
pub use table::{Batch, Batches, Bits, Table, Texts};
pub use writer::{bool_col, float_col, int_col, text_col, Col, Value, Writer};

/// Why a routine fails.
#[derive(Debug, Clone, PartialEq)]
pub struct Error(pub String);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<&str> for Error {
    fn from(text: &str) -> Error {
        Error(text.to_string())
    }
}

impl From<String> for Error {
    fn from(text: String) -> Error {
        Error(text)
    }
}

/// What routines return.
pub type Result<T> = std::result::Result<T, Error>;

/// Params of a routine that has none.
#[derive(Debug, Clone, Default)]
pub struct NoParams {}

impl Params for NoParams {
    fn fields() -> Vec<Field> {
        Vec::new()
    }
    fn decode(_: &Json) -> Result<NoParams> {
        Ok(NoParams {})
    }
}

/// Declares a struct of params:
///
/// ```
/// thresher::params! {
///     pub struct Greeting {
///         name: String { title: "Whom to greet" },
///         times: i64 { standard: "1", minimum: "1", unit: "times" },
///     }
/// }
/// ```
///
/// The types are `i64`, `f64`, `bool`, `String` and `Vec`s of those. What is said of one
/// are fields of [`Field`]. A param without `standard`, its default, that is not
/// `optional: true` must be given.
#[macro_export]
macro_rules! params {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($field:ident: $type:ty { $($key:ident: $value:expr),* $(,)? }),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        $vis struct $name { $(pub $field: $type),* }

        impl $crate::Params for $name {
            #[allow(clippy::needless_update)]
            fn fields() -> Vec<$crate::Field> {
                vec![$($crate::Field {
                    key: stringify!($field),
                    kind: <$type as $crate::Param>::KIND,
                    $($key: $value,)*
                    ..$crate::Field::NONE
                }),*]
            }
            fn decode(json: &$crate::Json) -> $crate::Result<$name> {
                let mut fields = <$name as $crate::Params>::fields().into_iter();
                Ok($name { $($field: fields.next().unwrap().decode(json)?),* })
            }
        }
    };
}

/// Declares the plugin: an expression that makes a [`Plugin`]. It makes the function
/// `plugin()`, and what the host calls.
#[macro_export]
macro_rules! plugin {
    ($plugin:expr) => {
        /// The plugin, for its tests.
        pub fn plugin() -> $crate::Plugin {
            $plugin
        }

        #[cfg(target_arch = "wasm32")]
        mod thresher_exports {
            #[no_mangle]
            pub extern "C" fn thresher_describe() -> i64 {
                $crate::exports::describe(super::plugin)
            }
            #[no_mangle]
            pub extern "C" fn thresher_alloc(bytes: i32) -> *mut u8 {
                $crate::exports::alloc(bytes)
            }
            #[no_mangle]
            pub extern "C" fn thresher_run(routine: i32) -> i32 {
                $crate::exports::run(super::plugin, routine)
            }
            #[no_mangle]
            pub extern "C" fn thresher_init(routine: i32) -> i32 {
                $crate::exports::init(super::plugin, routine)
            }
            #[no_mangle]
            pub extern "C" fn thresher_step(steps: i32) -> i32 {
                $crate::exports::step(steps)
            }
        }
    };
}

/// What the host calls. [`plugin!`] exports it.
#[doc(hidden)]
#[cfg(target_arch = "wasm32")]
pub mod exports {
    use crate::{host, Call, Plugin, Result, Simulation};
    use std::cell::RefCell;

    thread_local! {
        static MANIFEST: RefCell<Option<String>> = RefCell::new(None);
        static RUNNING: RefCell<Option<(Call, Box<dyn Simulation>)>> = RefCell::new(None);
    }

    pub fn describe(plugin: fn() -> Plugin) -> i64 {
        MANIFEST.with(|m| {
            let mut m = m.borrow_mut();
            let text = m.get_or_insert_with(|| plugin().manifest().to_string());
            ((text.as_ptr() as u64) << 32 | text.len() as u64) as i64
        })
    }

    pub fn alloc(bytes: i32) -> *mut u8 {
        Box::leak(vec![0u8; bytes.max(1) as usize].into_boxed_slice()).as_mut_ptr()
    }

    fn begin() {
        std::panic::set_hook(Box::new(|info| host::log(&format!("{}\n", info))));
    }

    fn status(result: Result<bool>, done: i32) -> i32 {
        match result {
            Ok(true) => done,
            Ok(false) => 0,
            Err(e) => {
                host::fail(&e.0);
                -1
            }
        }
    }

    pub fn run(plugin: fn() -> Plugin, routine: i32) -> i32 {
        begin();
        status(plugin().run(routine).map(|_| false), 0)
    }

    pub fn init(plugin: fn() -> Plugin, routine: i32) -> i32 {
        begin();
        status(plugin().start(routine).map(|started| RUNNING.with(|r| *r.borrow_mut() = Some(started))).map(|_| false), 0)
    }

    pub fn step(steps: i32) -> i32 {
        RUNNING.with(|r| match r.borrow_mut().as_mut() {
            Some((call, simulation)) => status(crate::declare::step(call, simulation.as_mut(), steps), 1),
            None => status(Err("no simulation was started".into()), 1),
        })
    }
}
