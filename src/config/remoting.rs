//! Settings of connections: those that come in (Java: `NettyServerConfig`) and those that we make (Java:
//! `NettyClientConfig`).

use serde::{Deserialize, Serialize};

use super::{Range, Section, at_least};

/// Java: `NettyServerConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NettyServerConfig {
    /// Port. Default 8888; 9876 for the name server, 10911 for the broker. Read at start.
    pub listen_port: i32,
    /// Threads that run handlers. Default 8. Read at start.
    pub server_worker_threads: i32,
    /// Threads that run callbacks. Default 0. Read at start.
    pub server_callback_executor_threads: i32,
    /// Threads that read and write. Default 3. Read at start.
    pub server_selector_threads: i32,
    /// One-way requests to clients in flight at most. Default 256. Read at start.
    pub server_oneway_semaphore_value: i32,
    /// Requests to clients in flight at most. Default 64. Read at start.
    pub server_async_semaphore_value: i32,
    /// A connection without traffic is closed after this time, s. Default 120. Read at start.
    pub server_channel_max_idle_time_seconds: i32,
    /// Send buffer of a connection, bytes. Default 65535; 131072 for the broker. Read at start.
    pub server_socket_snd_buf_size: i32,
    /// Receive buffer of a connection, bytes. Default 65535; 131072 for the broker. Read at start.
    pub server_socket_rcv_buf_size: i32,
    /// Buffers are pooled. Default true. Read at start.
    pub server_pooled_byte_buf_allocator_enable: bool,
    /// Netty's own epoll. Default false. Read at start.
    pub use_epoll_native_selector: bool,
    /// Longest frame, bytes. Set by `-Dcom.rocketmq.remoting.frameMaxLength`, too. A key of ours. Default 16777216. Read at start.
    pub frame_max_length: i32,
    /// The same of a connection of which no request has been let in yet, bytes. A key of ours. Default 0: `frameMaxLength`; with `aclEnable` what the largest message needs. Read at start.
    pub server_first_frame_max_length: i32,
    /// Connections to one port at most; more are closed at once. A key of ours. Default 60000. Read at start.
    pub server_connections_max: i32,
    /// The same of one address. A key of ours. Default 20000. Read at start.
    pub server_connections_per_addr_max: i32,
    /// Requests of one connection that wait for their answers; at more nothing is read from it. A key of ours. Default 100000. Read at start.
    pub server_requests_per_connection_max: i32,
    /// Bytes of answers that a connection does not take; at more nothing is read from it. A key of ours. Default 16777216. Read at start.
    pub server_unsent_per_connection_max: i32,
    /// Bytes of unfinished frames of all connections together; who needs more is closed. A key of ours. Default 268435456. Read at start.
    pub server_unfinished_frames_max: i32,
    /// Bytes of requests of all connections together that wait for a message, a thread or another client; more are refused. A key of ours. Default 268435456. Read at start.
    pub server_waiting_requests_max: i32,
    /// A frame that takes longer to arrive costs its connection, s. A key of ours. Default 120. Read at start.
    pub server_frame_time_seconds: i32,
}

impl Default for NettyServerConfig {
    fn default() -> NettyServerConfig {
        NettyServerConfig {
            listen_port: 8888,
            server_worker_threads: 8,
            server_callback_executor_threads: 0,
            server_selector_threads: 3,
            server_oneway_semaphore_value: 256,
            server_async_semaphore_value: 64,
            server_channel_max_idle_time_seconds: 120,
            server_socket_snd_buf_size: 65_535,
            server_socket_rcv_buf_size: 65_535,
            server_pooled_byte_buf_allocator_enable: true,
            use_epoll_native_selector: false,
            frame_max_length: 16 << 20,
            server_first_frame_max_length: 0,
            server_connections_max: 60_000,
            server_connections_per_addr_max: 20_000,
            server_requests_per_connection_max: 100_000,
            server_unsent_per_connection_max: 16 << 20,
            server_unfinished_frames_max: 256 << 20,
            server_waiting_requests_max: 256 << 20,
            server_frame_time_seconds: 120,
        }
    }
}

impl Section for NettyServerConfig {
    const JAVA_CLASS: &str = "NettyServerConfig";
    const IMPORTANT: &[&str] = &[];
    const RUNTIME: &[&str] = &[];
    const INERT: &[(&str, &str)] = &[
        ("serverWorkerThreads", "the runtime decides by itself"),
        ("serverCallbackExecutorThreads", "the runtime decides by itself"),
        ("serverSelectorThreads", "the runtime decides by itself"),
        ("serverOnewaySemaphoreValue", FIXED_BOUND),
        ("serverAsyncSemaphoreValue", FIXED_BOUND),
        ("serverPooledByteBufAllocatorEnable", "buffers are a connection's own"),
        ("useEpollNativeSelector", "epoll is always used"),
    ];
    const RANGES: &[Range] = &[
        at_least("serverChannelMaxIdleTimeSeconds", 1, "1 or 120 counts"),
        at_least("serverSocketSndBufSize", 0, "the system's own size counts"),
        at_least("serverSocketRcvBufSize", 0, "the system's own size counts"),
    ];

    fn validate(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        // The VIP port is two below, the HA port one above; port 0 means any free one, for tests.
        if !matches!(self.listen_port, 0 | 3..=65534) {
            problems.push(("listenPort", "is not from 3 to 65534".to_owned()));
        }
        // A registration has to fit, and Java's clients send no more.
        if !(64 << 10..=1 << 30).contains(&self.frame_max_length) {
            problems.push(("frameMaxLength", "is not from 65536 to 1073741824".to_owned()));
        }
        if self.server_first_frame_max_length < 0 {
            problems.push(("serverFirstFrameMaxLength", "is less than 0".to_owned()));
        }
        for (key, value) in [
            ("serverConnectionsMax", self.server_connections_max),
            ("serverConnectionsPerAddrMax", self.server_connections_per_addr_max),
            ("serverRequestsPerConnectionMax", self.server_requests_per_connection_max),
            ("serverUnsentPerConnectionMax", self.server_unsent_per_connection_max),
            ("serverUnfinishedFramesMax", self.server_unfinished_frames_max),
            ("serverWaitingRequestsMax", self.server_waiting_requests_max),
            ("serverFrameTimeSeconds", self.server_frame_time_seconds),
        ] {
            if value < 1 {
                problems.push((key, "is not 1 or more".to_owned()));
            }
        }
        problems
    }
}

impl NettyServerConfig {
    /// The name server's defaults.
    pub fn for_namesrv() -> NettyServerConfig {
        NettyServerConfig { listen_port: 9876, ..NettyServerConfig::default() }
    }

    /// The broker's defaults.
    pub fn for_broker() -> NettyServerConfig {
        NettyServerConfig {
            listen_port: 10911,
            server_socket_snd_buf_size: 131_072,
            server_socket_rcv_buf_size: 131_072,
            ..NettyServerConfig::default()
        }
    }
}

/// Of what waits for a peer.
const FIXED_BOUND: &str = "the bounds of each connection are fixed";

/// Java: `NettyClientConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NettyClientConfig {
    /// Threads that read and write. Default 4. Read at start.
    pub client_worker_threads: i32,
    /// Threads that run callbacks. Default 1 for each processor. Read at start.
    pub client_callback_executor_threads: i32,
    /// One-way requests in flight at most. Default 65535. Read at start.
    pub client_oneway_semaphore_value: i32,
    /// Requests in flight at most. Default 65535. Read at start.
    pub client_async_semaphore_value: i32,
    /// Longest wait for a connection, ms. Default 3000. Read at start.
    pub connect_timeout_millis: i32,
    /// Unused, ms. Default 60000. Read at start.
    pub channel_not_active_interval: i64,
    /// A connection without traffic is closed after this time, s. Default 120. Read at start.
    pub client_channel_max_idle_time_seconds: i32,
    /// Send buffer of a connection, bytes. Default 65535; 131072 for the broker. Read at start.
    pub client_socket_snd_buf_size: i32,
    /// Receive buffer of a connection, bytes. Default 65535; 131072 for the broker. Read at start.
    pub client_socket_rcv_buf_size: i32,
    /// Buffers are pooled. Default false. Read at start.
    pub client_pooled_byte_buf_allocator_enable: bool,
    /// A request that times out closes its connection. Default false. Read at start.
    pub client_close_socket_if_timeout: bool,
    /// Connections are encrypted. Default false. Read at start.
    #[serde(rename = "useTLS")]
    pub use_tls: bool,
}

impl Default for NettyClientConfig {
    fn default() -> NettyClientConfig {
        NettyClientConfig {
            client_worker_threads: 4,
            client_callback_executor_threads: cpus(),
            client_oneway_semaphore_value: 65_535,
            client_async_semaphore_value: 65_535,
            connect_timeout_millis: 3000,
            channel_not_active_interval: 60_000,
            client_channel_max_idle_time_seconds: 120,
            client_socket_snd_buf_size: 65_535,
            client_socket_rcv_buf_size: 65_535,
            client_pooled_byte_buf_allocator_enable: false,
            client_close_socket_if_timeout: false,
            use_tls: false,
        }
    }
}

impl Section for NettyClientConfig {
    const JAVA_CLASS: &str = "NettyClientConfig";
    const IMPORTANT: &[&str] = &[];
    const RUNTIME: &[&str] = &[];
    const INERT: &[(&str, &str)] = &[
        ("clientWorkerThreads", "the runtime decides by itself"),
        ("clientCallbackExecutorThreads", "the runtime decides by itself"),
        ("clientOnewaySemaphoreValue", FIXED_BOUND),
        ("clientAsyncSemaphoreValue", FIXED_BOUND),
        ("clientSocketSndBufSize", "the system sizes the buffers of our own connections"),
        ("clientSocketRcvBufSize", "the system sizes the buffers of our own connections"),
        ("clientCloseSocketIfTimeout", "a connection that is still good is kept"),
        ("channelNotActiveInterval", "4.3.0 does not use it either"),
        ("clientPooledByteBufAllocatorEnable", "buffers are a connection's own"),
    ];
    const RANGES: &[Range] = &[
        at_least("connectTimeoutMillis", 1, "no connection is made in time, or 3000 counts"),
        at_least("clientChannelMaxIdleTimeSeconds", 1, "1 or 120 counts"),
    ];
}

impl NettyClientConfig {
    /// The broker's defaults.
    pub fn for_broker() -> NettyClientConfig {
        NettyClientConfig {
            client_socket_snd_buf_size: 131_072,
            client_socket_rcv_buf_size: 131_072,
            ..NettyClientConfig::default()
        }
    }
}

fn cpus() -> i32 {
    std::thread::available_parallelism().map_or(1, |cpus| i32::try_from(cpus.get()).unwrap_or(i32::MAX))
}
