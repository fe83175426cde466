// A client of the allocator: logs in, rents a machine, follows its log, and removes it.
//
//	allocator-client HOST:PORT EMAIL PASSWORD [CA.pem]
//
// Without a certificate authority it speaks without TLS, as on the machine of the allocator itself.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	allocations "example.org/allocator-client/stubs/allocator/allocations/v1"
	consoles "example.org/allocator-client/stubs/allocator/consoles/v1"
	users "example.org/allocator-client/stubs/allocator/users/v1"
)

const (
	machine = "machines/ticker"
	lines   = 3
	// How long one call may take, and how long a machine may take to get ready.
	callTimeout  = 10 * time.Second
	readyTimeout = 60 * time.Second
)

func main() {
	if len(os.Args) < 4 || len(os.Args) > 5 {
		fmt.Fprintln(os.Stderr, "usage: allocator-client HOST:PORT EMAIL PASSWORD [CA.pem]")
		os.Exit(2)
	}
	authority := ""
	if len(os.Args) == 5 {
		authority = os.Args[4]
	}
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Args[3], authority); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, address, email, password, authority string) (err error) {
	transport := insecure.NewCredentials()
	if authority != "" {
		if transport, err = credentials.NewClientTLSFromFile(authority, ""); err != nil {
			return err
		}
	}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(transport))
	if err != nil {
		return err
	}
	defer connection.Close()

	session, err := logIn(ctx, connection, email, password)
	if err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	fmt.Println("logged in as", session.GetUser().GetName())
	// Every further call carries the access token.
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+session.GetAccessToken())

	client := allocations.NewAllocationServiceClient(connection)
	name, err := rent(ctx, client)
	if err != nil {
		return fmt.Errorf("rent %s: %w", machine, err)
	}
	fmt.Println("rented", machine, "as", name)
	defer func() {
		if removal := remove(ctx, client, name); removal != nil {
			err = errors.Join(err, fmt.Errorf("remove %s: %w", name, removal))
			return
		}
		fmt.Println("removed", name)
	}()

	if err := waitFor(ctx, client, name, allocations.Allocation_READY); err != nil {
		return fmt.Errorf("wait for %s: %w", name, err)
	}
	fmt.Println("ready", name)
	if err := followLog(ctx, consoles.NewConsoleServiceClient(connection), name); err != nil {
		return fmt.Errorf("follow the log of %s: %w", name, err)
	}
	return nil
}

func logIn(ctx context.Context, connection *grpc.ClientConn, email, password string) (*users.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	request := &users.CreateSessionRequest{Email: email, Password: password}
	return users.NewSessionServiceClient(connection).CreateSession(ctx, request)
}

func rent(ctx context.Context, client allocations.AllocationServiceClient) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	allocation, err := client.CreateAllocation(ctx, &allocations.CreateAllocationRequest{
		Allocation: &allocations.Allocation{Machine: machine},
		// Sent again with the same identifier, for instance after a timeout, it rents nothing more.
		RequestId: newUUID(),
	})
	return allocation.GetName(), err
}

// waitFor watches an allocation until it is in a state.
func waitFor(
	ctx context.Context, client allocations.AllocationServiceClient, name string, state allocations.Allocation_State,
) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	watch, err := client.WatchAllocations(ctx, &allocations.WatchAllocationsRequest{Name: name})
	if err != nil {
		return err
	}
	for {
		change, err := watch.Recv()
		if err != nil {
			return err
		}
		allocation := change.GetAllocation()
		switch allocation.GetState() {
		case state:
			return nil
		case allocations.Allocation_FAILED:
			return fmt.Errorf("it has failed: %s", allocation.GetStateReason().GetMessage())
		}
	}
}

// followLog prints the first lines of the log, each with its number.
func followLog(ctx context.Context, client consoles.ConsoleServiceClient, name string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel() // which also ends the stream
	beginning := int64(0)
	console, err := client.FollowConsole(ctx, &consoles.FollowConsoleRequest{Name: name, Cursor: &beginning})
	if err != nil {
		return err
	}
	for seen := 0; seen < lines; {
		frame, err := console.Recv()
		if err != nil {
			return err
		}
		log := frame.GetLog()
		for place, text := range log.GetTexts() {
			fmt.Printf("line %d: %s\n", log.GetFirstSeq()+int64(place), text)
			seen++
		}
		if bye := frame.GetBye(); bye != nil {
			return fmt.Errorf("the console has ended: %s", bye.GetMessage())
		}
	}
	return nil
}

func remove(ctx context.Context, client allocations.AllocationServiceClient, name string) error {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if _, err := client.DeleteAllocation(call, &allocations.DeleteAllocationRequest{Name: name}); err != nil {
		return err
	}
	return waitFor(ctx, client, name, allocations.Allocation_DELETED)
}

func newUUID() string {
	var id [16]byte
	rand.Read(id[:])
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
