//! What a slave gathers is whole, byte for byte, however it comes cut.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::config::store::{BrokerRole, MessageStoreConfig};
use crate::store::{NewMessage, OpenOptions, PutStatus};

const HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 10_911);
const FILE_BYTES: usize = 4096;

fn open(root: &Path, broker_role: BrokerRole) -> Arc<MessageStore> {
    let config = MessageStoreConfig {
        broker_role,
        store_path_root_dir: root.to_str().unwrap().to_owned(),
        store_path_commit_log: root.join("commitlog").to_str().unwrap().to_owned(),
        maped_file_size_commit_log: FILE_BYTES as i32,
        ..MessageStoreConfig::default()
    };
    MessageStore::open(config, OpenOptions::default()).unwrap()
}

/// A master with some files of messages.
fn master(root: &Path) -> Arc<MessageStore> {
    let store = open(root, BrokerRole::AsyncMaster);
    for number in 0..100 {
        let body = vec![b'x'; number % 7 * 50];
        let result = store.put(&NewMessage {
            topic: "T",
            queue_id: (number % 3) as i32,
            flag: 0,
            sys_flag: 0,
            born_timestamp_ms: 1,
            born_host: HOST,
            store_host: HOST,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: &body,
            properties: "KEYS\u{1}k\u{2}",
        });
        assert_eq!(result.status, PutStatus::PutOk);
    }
    store.dispatch_all();
    assert!(store.max_commit_log_offset() > 3 * FILE_BYTES as i64);
    store
}

/// All bytes of a log from an offset on.
fn bytes_from(store: &MessageStore, from: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(data) = store.log_data(from + bytes.len() as i64, usize::MAX) {
        bytes.extend_from_slice(&data);
    }
    bytes
}

/// Sends bytes in frames of `size`, none across a file's end.
fn transfer(receiver: &mut Receiver<'_>, from: i64, bytes: &[u8], size: usize) -> Result<(), ReceiveError> {
    let mut at = 0;
    while at < bytes.len() {
        let left = FILE_BYTES - (from as usize + at) % FILE_BYTES;
        let length = size.min(bytes.len() - at).min(left);
        receiver.receive(from + at as i64, &bytes[at..at + length])?;
        at += length;
    }
    Ok(())
}

#[test]
fn a_log_arrives_byte_for_byte_however_it_is_cut() {
    let roots = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let master = master(roots[0].path());
    let log = bytes_from(&master, 0);
    for size in [1, 7, 8, 90, 1000, 32_768] {
        let root = tempfile::tempdir().unwrap();
        let slave = open(root.path(), BrokerRole::Slave);
        let mut receiver = Receiver::new(&slave);
        transfer(&mut receiver, 0, &log, size).unwrap();
        assert!(receiver.pending.is_empty());
        assert_eq!(bytes_from(&slave, 0), log, "frames of {size}");
        for queue_id in 0..3 {
            assert_eq!(slave.max_offset("T", queue_id), master.max_offset("T", queue_id));
        }
        // A message by its key, and after a restart.
        assert_eq!(slave.find_by_key("T", "k", 1000, 0, i64::MAX).messages.len(), 64);
        slave.shutdown().unwrap();
        drop(slave);
        let slave = open(root.path(), BrokerRole::Slave);
        assert_eq!(bytes_from(&slave, 0), log);
    }
}

#[test]
fn half_a_record_is_not_there_yet() {
    let roots = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let master = master(roots[0].path());
    let log = bytes_from(&master, 0);
    let slave = open(roots[1].path(), BrokerRole::Slave);
    let first = record::parse(&log).unwrap().length();
    let mut receiver = Receiver::new(&slave);
    receiver.receive(0, &log[..first - 1]).unwrap();
    assert_eq!((slave.max_commit_log_offset(), receiver.next()), (0, first as i64 - 1));
    receiver.receive(first as i64 - 1, &log[first - 1..first + 10]).unwrap();
    assert_eq!((slave.max_commit_log_offset(), slave.max_offset("T", 0)), (first as i64, 1));
    // What was gathered beyond goes with the connection.
    let mut receiver = Receiver::new(&slave);
    assert!(matches!(receiver.receive(first as i64 + 10, &log[first + 10..]), Err(ReceiveError::Gap { .. })));
    transfer(&mut receiver, first as i64, &log[first..], 100).unwrap();
    assert_eq!(bytes_from(&slave, 0), log);
}

#[test]
fn a_fresh_slave_begins_where_the_master_says() {
    let roots = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let master = master(roots[0].path());
    let from = 2 * FILE_BYTES as i64;
    let tail = bytes_from(&master, from);
    let slave = open(roots[1].path(), BrokerRole::Slave);
    transfer(&mut Receiver::new(&slave), from, &tail, 500).unwrap();
    assert_eq!(
        (slave.min_commit_log_offset(), slave.max_commit_log_offset()),
        (from, master.max_commit_log_offset())
    );
    assert_eq!(bytes_from(&slave, from), tail);
    let other = open(roots[2].path(), BrokerRole::Slave);
    let refused = Receiver::new(&other).receive(from + 1, &tail[1..10]);
    assert!(matches!(refused, Err(ReceiveError::Begin(_))));
}

#[test]
fn damage_in_the_masters_log_is_followed() {
    let roots = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let master = master(roots[0].path());
    let log = bytes_from(&master, 0);
    let places = [0, 4, 5, 30, 200, 4000];
    for place in places {
        for size in [13, 5000] {
            let mut damaged = log.clone();
            damaged[place] ^= 0x40;
            let root = tempfile::tempdir().unwrap();
            let slave = open(root.path(), BrokerRole::Slave);
            transfer(&mut Receiver::new(&slave), 0, &damaged, size).unwrap();
            assert_eq!(bytes_from(&slave, 0), damaged, "flipped at {place}, frames of {size}");
        }
    }
}

#[test]
fn noise_does_not_pile_up_for_ever() {
    let root = tempfile::tempdir().unwrap();
    let slave = open(root.path(), BrokerRole::Slave);
    let mut receiver = Receiver::new(&slave);
    let noise = vec![0xAB; FILE_BYTES];
    for file in 0..20 {
        receiver.receive(i64::from(file) * FILE_BYTES as i64, &noise).unwrap();
        assert!(receiver.pending.len() <= FILE_BYTES);
    }
}
