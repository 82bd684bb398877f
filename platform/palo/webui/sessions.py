"""What Gradio remembers of open pages."""

from collections.abc import Callable

import gradio as gr


def forgetting_sessions(page: gr.Blocks) -> Callable[[str], None]:
    """Returns what takes an open page's state and its unread events out of memory.

    Args:
        page: The page, already mounted.
    """
    states, queue = page.state_holder, page._queue

    def forget(session: str) -> None:
        states.session_data.pop(session, None)
        states.time_last_used.pop(session, None)
        queue.pending_messages_per_session.pop(session, None)
        queue.pending_event_ids_session.pop(session, None)

    return forget
