//! Transactions (codes 37, 39).

use serde::{Deserialize, Serialize};

/// Java: `EndTransactionRequestHeader` (code 37). The request's remark holds the exception text, if any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndTransactionRequestHeader {
    /// Producer group of the half message.
    pub producer_group: String,
    /// Queue offset of the half message.
    pub tran_state_table_offset: i64,
    /// Commit-log offset of the half message.
    pub commit_log_offset: i64,
    /// `SYS_FLAG_TRANSACTION_COMMIT`, `SYS_FLAG_TRANSACTION_ROLLBACK`, or 0: not known yet. Java refuses any other.
    pub commit_or_rollback: i32,
    /// Answer to a check rather than after the local transaction.
    #[serde(default)]
    pub from_transaction_check: bool,
    /// Client message id.
    #[serde(default)]
    pub msg_id: Option<String>,
    /// Transaction id.
    #[serde(default)]
    pub transaction_id: Option<String>,
}

/// Java: `CheckTransactionStateRequestHeader` (code 39, broker to client).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckTransactionStateRequestHeader {
    /// Queue offset of the half message.
    pub tran_state_table_offset: i64,
    /// Commit-log offset of the half message.
    pub commit_log_offset: i64,
    /// Client message id.
    #[serde(default)]
    pub msg_id: Option<String>,
    /// Transaction id: the same.
    #[serde(default)]
    pub transaction_id: Option<String>,
    /// Offset message id.
    #[serde(default)]
    pub offset_msg_id: Option<String>,
}
