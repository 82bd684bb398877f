"""The parts that the chat page and the review page share: logins, headers, quotas, texts."""
