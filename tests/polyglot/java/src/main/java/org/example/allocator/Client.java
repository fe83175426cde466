package org.example.allocator;

import allocator.allocations.v1.AllocationOuterClass.Allocation;
import allocator.allocations.v1.AllocationServiceGrpc;
import allocator.allocations.v1.AllocationServiceGrpc.AllocationServiceBlockingStub;
import allocator.allocations.v1.AllocationServiceOuterClass.CreateAllocationRequest;
import allocator.allocations.v1.AllocationServiceOuterClass.DeleteAllocationRequest;
import allocator.allocations.v1.AllocationServiceOuterClass.WatchAllocationsRequest;
import allocator.consoles.v1.ConsoleServiceGrpc;
import allocator.consoles.v1.ConsoleServiceGrpc.ConsoleServiceBlockingStub;
import allocator.consoles.v1.ConsoleServiceOuterClass.FollowConsoleRequest;
import allocator.users.v1.SessionServiceGrpc;
import allocator.users.v1.SessionServiceOuterClass.CreateSessionRequest;
import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptor;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.stub.MetadataUtils;
import java.io.File;
import java.io.IOException;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/**
 * A client of the allocator: logs in, rents a machine, follows its log, and removes it.
 *
 * <p>{@code java -jar allocator-client.jar HOST:PORT EMAIL PASSWORD [CA.pem]}. Without a certificate
 * authority it speaks without TLS, as on the machine of the allocator itself.
 */
public final class Client {
  private static final String MACHINE = "machines/ticker";
  private static final int LINES = 3;
  private static final long CALL_SECONDS = 10;
  private static final long READY_SECONDS = 60;

  private final AllocationServiceBlockingStub allocations;
  private final ConsoleServiceBlockingStub consoles;

  private Client(ManagedChannel channel, String token) {
    // Every call of these carries the access token.
    Metadata headers = new Metadata();
    headers.put(
        Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + token);
    ClientInterceptor authorized = MetadataUtils.newAttachHeadersInterceptor(headers);
    allocations = AllocationServiceGrpc.newBlockingStub(channel).withInterceptors(authorized);
    consoles = ConsoleServiceGrpc.newBlockingStub(channel).withInterceptors(authorized);
  }

  public static void main(String[] arguments) throws InterruptedException {
    if (arguments.length < 3 || arguments.length > 4) {
      System.err.println("usage: allocator-client HOST:PORT EMAIL PASSWORD [CA.pem]");
      System.exit(2);
    }
    String authority = arguments.length == 4 ? arguments[3] : "";
    try {
      run(arguments[0], arguments[1], arguments[2], authority);
    } catch (StatusRuntimeException | IllegalStateException | IOException error) {
      System.err.println("error: " + error.getMessage());
      System.exit(1);
    }
  }

  private static void run(String address, String email, String password, String authority)
      throws IOException, InterruptedException {
    ChannelCredentials credentials =
        authority.isEmpty()
            ? InsecureChannelCredentials.create()
            : TlsChannelCredentials.newBuilder().trustManager(new File(authority)).build();
    ManagedChannel channel = Grpc.newChannelBuilder(address, credentials).build();
    try {
      var session =
          SessionServiceGrpc.newBlockingStub(channel)
              .withDeadlineAfter(CALL_SECONDS, TimeUnit.SECONDS)
              .createSession(
                  CreateSessionRequest.newBuilder().setEmail(email).setPassword(password).build());
      System.out.println("logged in as " + session.getUser().getName());
      new Client(channel, session.getAccessToken()).rentAndWatch();
    } finally {
      channel.shutdown().awaitTermination(CALL_SECONDS, TimeUnit.SECONDS);
    }
  }

  private void rentAndWatch() {
    String name = rent();
    System.out.println("rented " + MACHINE + " as " + name);
    try {
      waitFor(name, Allocation.State.READY);
      System.out.println("ready " + name);
      followLog(name);
    } finally {
      remove(name);
      System.out.println("removed " + name);
    }
  }

  private String rent() {
    var request =
        CreateAllocationRequest.newBuilder()
            .setAllocation(Allocation.newBuilder().setMachine(MACHINE))
            // Sent again with the same identifier, as after a timeout, it rents nothing more.
            .setRequestId(UUID.randomUUID().toString())
            .build();
    return allocations
        .withDeadlineAfter(CALL_SECONDS, TimeUnit.SECONDS)
        .createAllocation(request)
        .getName();
  }

  /** Watches an allocation until it is in a state. */
  private void waitFor(String name, Allocation.State state) {
    var request = WatchAllocationsRequest.newBuilder().setName(name).build();
    endingStreams(
        () -> {
          var changes =
              allocations
                  .withDeadlineAfter(READY_SECONDS, TimeUnit.SECONDS)
                  .watchAllocations(request);
          while (changes.hasNext()) {
            Allocation allocation = changes.next().getAllocation();
            if (allocation.getState() == state) {
              return;
            }
            if (allocation.getState() == Allocation.State.FAILED) {
              throw new IllegalStateException(
                  "it has failed: " + allocation.getStateReason().getMessage());
            }
          }
          throw new IllegalStateException("the watch has ended");
        });
  }

  /** Prints the first lines of the log, each with its number. */
  private void followLog(String name) {
    var request = FollowConsoleRequest.newBuilder().setName(name).setCursor(0).build();
    endingStreams(
        () -> {
          var frames =
              consoles.withDeadlineAfter(READY_SECONDS, TimeUnit.SECONDS).followConsole(request);
          for (int seen = 0; seen < LINES; ) {
            if (!frames.hasNext()) {
              throw new IllegalStateException("the console has ended");
            }
            var frame = frames.next();
            if (frame.hasBye()) {
              throw new IllegalStateException(
                  "the console has ended: " + frame.getBye().getMessage());
            }
            for (int place = 0; place < frame.getLog().getTextsCount(); place++, seen++) {
              System.out.printf(
                  "line %d: %s%n",
                  frame.getLog().getFirstSeq() + place, frame.getLog().getTexts(place));
            }
          }
        });
  }

  private void remove(String name) {
    var request = DeleteAllocationRequest.newBuilder().setName(name).build();
    allocations.withDeadlineAfter(CALL_SECONDS, TimeUnit.SECONDS).deleteAllocation(request);
    waitFor(name, Allocation.State.DELETED);
  }

  /** Does something, and ends the streams that it has begun. */
  private static void endingStreams(Runnable work) {
    Context.CancellableContext context = Context.current().withCancellation();
    try {
      context.run(work);
    } finally {
      context.cancel(null);
    }
  }
}
