//! Apache RocketMQ 4.3.0 name server and broker, in Rust.
//!
//! | module | what it is |
//! |---|---|
//! | [`clock`] | the time, as tests may set it |
//! | [`seats`] | connections counted by address |
//! | [`strmap`] | serde to and from flat maps of strings: request headers and properties files |
//! | [`protocol`] | what is said: codes, headers, bodies, messages; plain data, no I/O |
//! | [`config`] | one struct per Java config class |
//! | [`remoting`] | the transport: frames, connections, servers, clients; knows no request code's meaning |
//! | [`store`] | bytes on disk: commit log, consume queues, recovery; opens no socket and never awaits |
//! | [`ha`] | replication of the commit log between brokers |
//! | [`http`] | a port to watch a server by: metrics, health, a page |
//! | [`inspect`] | a data directory looked at from outside |
//! | [`filter`] | SQL92 message filters: expressions over properties |
//! | [`client`] | calls we make to others |
//! | [`namesrv`] | the name server |
//! | [`broker`] | the broker: state tables and request handlers over the store |
//! | [`doctor`] | what is wrong with a cluster, and what to do |
//! | [`example`] | the quickstart examples, on our own client |
//! | [`bench`](mod@bench) | load and latency against any 4.x broker, from outside |

pub mod admin;
pub mod bench;
pub mod broker;
pub mod client;
pub mod clock;
pub mod config;
pub mod doctor;
pub mod example;
pub mod filter;
pub mod ha;
pub mod http;
pub mod inspect;
pub mod logging;
pub mod namesrv;
pub mod protocol;
pub mod remoting;
pub mod seats;
pub mod store;
pub mod strmap;
