// Publishes as fast as a plain loop can: persistent messages to a durable queue, with at most
// WINDOW unconfirmed. Usage: plain_publish PORT EXCHANGE KEY MESSAGES BYTES. Prints messages a
// second.
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { kWindow = 2048 };

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void want(int good, const char* what) {
  if (good) return;
  fprintf(stderr, "plain_publish: %s\n", what);
  exit(1);
}

// Confirms that have come: they come out of order, and a multiple one is of all up to its tag.
static unsigned long confirmed(amqp_connection_state_t state, char* done, unsigned long* first) {
  amqp_frame_t frame;
  struct timeval patience = {60, 0};
  want(amqp_simple_wait_frame_noblock(state, &frame, &patience) == AMQP_STATUS_OK, "no confirm");
  if (frame.frame_type != AMQP_FRAME_METHOD) return 0;
  want(frame.payload.method.id == AMQP_BASIC_ACK_METHOD, "something else than a confirm");
  const amqp_basic_ack_t* ack = frame.payload.method.decoded;
  unsigned long count = 0;
  for (unsigned long tag = ack->multiple ? *first : ack->delivery_tag; tag <= ack->delivery_tag;
       ++tag) {
    count += !done[tag];
    done[tag] = 1;
  }
  if (ack->multiple) *first = (unsigned long)ack->delivery_tag + 1;
  return count;
}

int main(int argc, char** argv) {
  want(argc == 6, "PORT EXCHANGE KEY MESSAGES BYTES");
  const unsigned long messages = strtoul(argv[4], NULL, 10);
  const size_t bytes = strtoul(argv[5], NULL, 10);
  amqp_connection_state_t state = amqp_new_connection();
  want(amqp_socket_open(amqp_tcp_socket_new(state), "127.0.0.1", atoi(argv[1])) == 0, "connect");
  want(amqp_login(state, "/", 1, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest").reply_type ==
           AMQP_RESPONSE_NORMAL,
       "login");
  amqp_channel_open(state, 1);
  amqp_confirm_select(state, 1);
  want(amqp_get_rpc_reply(state).reply_type == AMQP_RESPONSE_NORMAL, "channel");
  amqp_basic_properties_t properties;
  memset(&properties, 0, sizeof properties);
  properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
  properties.delivery_mode = 2;
  amqp_bytes_t body = amqp_bytes_malloc(bytes);
  memset(body.bytes, 'x', bytes);
  const double begin = now();
  char* told = calloc(messages + 1, 1);
  want(told != NULL, "memory");
  unsigned long sent = 0, done = 0, first = 1;
  while (done < messages) {
    if (sent < messages && sent - done < kWindow) {
      want(amqp_basic_publish(state, 1, amqp_cstring_bytes(argv[2]), amqp_cstring_bytes(argv[3]), 1,
                              0, &properties, body) == AMQP_STATUS_OK,
           "publish");
      ++sent;
    } else {
      done += confirmed(state, told, &first);
      amqp_maybe_release_buffers(state);
    }
  }
  printf("%.0f\n", (double)messages / (now() - begin));
  free(told);
  amqp_bytes_free(body);
  amqp_connection_close(state, AMQP_REPLY_SUCCESS);
  amqp_destroy_connection(state);
  return 0;
}
