//! What leaves the store: the queues of deleted topics (Java: `DefaultMessageStore.cleanUnusedTopic`).

use super::{Error, MessageStore, is_topic};

impl MessageStore {
    /// Takes a topic's queues away and deletes their files. Messages stay in the log.
    pub fn delete_topic(&self, topic: &str) -> Result<(), Error> {
        // Under both locks: no message of the topic is appended or dispatched to a queue that goes away.
        let mut dispatcher = self.dispatcher();
        dispatcher.forget_queue();
        let queues = self.log.while_locked(|| {
            let queues = self.queues.remove(topic);
            queues.iter().for_each(|queue| queue.remove());
            queues
        });
        // First, lest a kill in between have the queue made again.
        self.write_summary();
        for queue in &queues {
            queue.delete()?;
        }
        drop(dispatcher);
        for folder in self.queues.topic_folders(topic) {
            if is_topic(topic) && folder.exists() {
                std::fs::remove_dir(&folder).map_err(|source| Error::Io {
                    what: "delete",
                    path: folder,
                    source,
                })?;
            }
        }
        Ok(())
    }
}
