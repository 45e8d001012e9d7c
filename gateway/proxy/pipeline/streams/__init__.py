"""The response on its way from the upstream to the client, inspected and metered.

The rules:

- The bytes are those of the upstream, complete and in order, except for messages that were redacted for a restricted
  key.
- The chunk that completes the response to a tool call is returned only after the call's usage event is durable. Every
  response that a client has received completely has been counted.
- An event of an event stream is returned when it is complete; of a JSON response, everything but the last chunk is
  returned as it arrives.
- A response larger than `MAX_INSPECTED` is passed on without inspection and metered as unknown; a restricted key does
  not get it.
- Before a stream ends without the response to a request, or its client gets an event id, the request is registered in
  the correlation store, so that its response is recognised on another stream.
- Reading can be continued after its task was cancelled, so that the call of a disconnected client is still metered.

`opening` chooses the stream. `response_stream` is the base of all of them, `event_stream` and `body_stream` are the two
kinds, and `encoded_streams` are those of compressed responses. Begin reading in `response_stream`.
"""
