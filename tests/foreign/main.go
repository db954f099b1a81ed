// Command foreign checks Bukubesar's log and proof files with other people's software alone: Go's sumdb/note and sumdb/tlog,
// Tessera's fsck package, torchwood. Nothing of Bukubesar's is linked in.
//
//	foreign log  URL|DIR VKEY                 the log of one origin: checkpoint, every tile, every entry bundle
//	foreign proof FILE VKEY [WITNESS-VKEY]    a tlog-proof with entry and payload in its extra line
//	foreign note FILE VKEY                    any signed note
//	foreign consistency FILE VKEY             a consistency proof between two checkpoints
//
// Exit codes: 0 accepted by all; 1 refused, with who refused and why; 2 wrong arguments.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/torchwood"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"k8s.io/klog/v2"
)

const (
	entryBytes = 88
	limit      = 2 * time.Minute
)

// policyOf wants the log's signature, and the witness's where one is named.
func policyOf(vkey, witness string) (torchwood.Policy, error) {
	text := "log " + vkey + "\nquorum none\n"
	if witness != "" {
		text = "log " + vkey + "\nwitness w " + witness + "\nquorum w\n"
	}
	return torchwood.ParsePolicy([]byte(text))
}

func fetcherOf(place string) (fsck.Fetcher, torchwood.TileReader, error) {
	if !strings.HasPrefix(place, "http") {
		tiles, err := torchwood.NewTileFS(os.DirFS(place))
		return client.FileFetcher{Root: place}, tiles, err
	}
	root, err := url.Parse(strings.TrimSuffix(place, "/") + "/")
	if err != nil {
		return nil, nil, err
	}
	files, err := client.NewHTTPFetcher(root, nil)
	if err != nil {
		return nil, nil, err
	}
	tiles, err := torchwood.NewTileFetcher(root.String())
	return files, tiles, err
}

func bundleHashes(bundle []byte) ([][]byte, error) {
	var parsed api.EntryBundle
	if err := parsed.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	hashes := make([][]byte, 0, len(parsed.Entries))
	for _, entry := range parsed.Entries {
		if len(entry) != entryBytes {
			return nil, fmt.Errorf("an entry of %d bytes", len(entry))
		}
		hash := tlog.RecordHash(entry)
		hashes = append(hashes, hash[:])
	}
	return hashes, nil
}

// checkByFsck rebuilds the tree from the entry bundles and compares every tile. Several workers: one alone hangs at the first wrong tile.
func checkByFsck(ctx context.Context, files fsck.Fetcher, vkey string) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	return fsck.New(verifier.Name(), verifier, files, bundleHashes, fsck.Opts{N: 4}).Check(ctx)
}

// checkByTorchwood reads every entry under the checkpoint, and sees what stands behind the last one of a bundle.
func checkByTorchwood(ctx context.Context, tiles torchwood.TileReader, vkey string) (int64, error) {
	policy, err := policyOf(vkey, "")
	if err != nil {
		return 0, err
	}
	signed, err := tiles.ReadEndpoint(ctx, "checkpoint")
	if err != nil {
		return 0, err
	}
	checkpoint, _, err := torchwood.VerifyCheckpoint(signed, policy)
	if err != nil {
		return 0, err
	}
	reader, err := torchwood.NewClient(tiles, torchwood.WithTimeout(limit))
	if err != nil {
		return 0, err
	}
	count := int64(0)
	for range reader.AllEntries(ctx, tlog.Tree{N: checkpoint.N, Hash: checkpoint.Hash}, 0) {
		count++
	}
	if err := reader.Err(); err != nil {
		return count, err
	}
	if count != checkpoint.N {
		return count, fmt.Errorf("%d entries, the checkpoint says %d", count, checkpoint.N)
	}
	return count, nil
}

func checkLog(place, vkey string) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	files, tiles, err := fetcherOf(place)
	if err != nil {
		return err
	}
	count, err := checkByTorchwood(ctx, tiles, vkey)
	if err != nil {
		return fmt.Errorf("torchwood: %w", err)
	}
	if count > 0 {
		if err := checkByFsck(ctx, files, vkey); err != nil {
			return fmt.Errorf("tessera fsck: %w", err)
		}
	}
	fmt.Printf("accepted: %d entries, by torchwood and by Tessera's fsck\n", count)
	return nil
}

func checkProof(file, vkey, witness string) error {
	proof, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	policy, err := policyOf(vkey, witness)
	if err != nil {
		return err
	}
	extra, err := torchwood.ProofExtraData(proof)
	if err != nil {
		return fmt.Errorf("torchwood: %w", err)
	}
	if len(extra) < entryBytes {
		return fmt.Errorf("extra has %d bytes, an entry has %d", len(extra), entryBytes)
	}
	entry, payload := extra[:entryBytes], extra[entryBytes:]
	if err := torchwood.VerifyProof(policy, tlog.RecordHash(entry), proof); err != nil {
		return fmt.Errorf("torchwood: %w", err)
	}
	if hash := sha256.Sum256(payload); len(payload) > 0 && !bytes.Equal(hash[:], entry[56:]) {
		return errors.New("the payload's SHA-256 is not the one in the entry")
	}
	fmt.Printf("accepted: a proof with a payload of %d bytes, by torchwood\n", len(payload))
	return nil
}

func openNote(signed []byte, vkey string) (*note.Note, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, err
	}
	return note.Open(signed, note.VerifierList(verifier))
}

func checkNote(file, vkey string) error {
	signed, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if _, err := openNote(signed, vkey); err != nil {
		return fmt.Errorf("sumdb/note: %w", err)
	}
	fmt.Println("accepted: a signed note, by sumdb/note")
	return nil
}

// treeOf opens a checkpoint with sumdb/note and reads its tree head.
func treeOf(signed, vkey string) (tlog.Tree, error) {
	opened, err := openNote([]byte(signed), vkey)
	if err != nil {
		return tlog.Tree{}, err
	}
	checkpoint, err := torchwood.ParseCheckpoint(opened.Text)
	if err != nil {
		return tlog.Tree{}, err
	}
	return tlog.Tree{N: checkpoint.N, Hash: checkpoint.Hash}, nil
}

func checkConsistency(file, vkey string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	header, rest, _ := strings.Cut(string(text), "\n")
	if header != "bukubesar consistency proof 1" {
		return errors.New("not a consistency proof")
	}
	var proof tlog.TreeProof
	for {
		line, after, found := strings.Cut(rest, "\n")
		rest = after
		if !found {
			return errors.New("no empty line before the checkpoints")
		}
		if line == "" {
			break
		}
		hash, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(hash) != tlog.HashSize {
			return fmt.Errorf("%q is no hash", line)
		}
		proof = append(proof, tlog.Hash(hash))
	}
	parts := strings.SplitN(rest, "\n\n", 3)
	if len(parts) != 3 {
		return errors.New("it does not end in two checkpoints")
	}
	older, err := treeOf(parts[0]+"\n\n"+parts[1]+"\n", vkey)
	if err != nil {
		return fmt.Errorf("the older checkpoint: %w", err)
	}
	newer, err := treeOf(parts[2], vkey)
	if err != nil {
		return fmt.Errorf("the newer checkpoint: %w", err)
	}
	if older.N > 0 && older.N < newer.N {
		if err := tlog.CheckTree(proof, newer.N, newer.Hash, older.N, older.Hash); err != nil {
			return fmt.Errorf("sumdb/tlog: %w", err)
		}
	} else if len(proof) > 0 || (older.N == newer.N && older.Hash != newer.Hash) {
		return errors.New("sizes are equal or the older one is 0, but roots or hashes do not fit")
	}
	fmt.Printf("accepted: %d entries continue %d, by sumdb/tlog\n", newer.N, older.N)
	return nil
}

func run(arguments []string) error {
	what, rest := arguments[0], arguments[1:]
	switch {
	case what == "log" && len(rest) == 2:
		if !strings.HasPrefix(rest[0], "http") {
			absolute, err := filepath.Abs(rest[0])
			if err != nil {
				return err
			}
			rest[0] = absolute
		}
		return checkLog(rest[0], rest[1])
	case what == "proof" && len(rest) == 2:
		return checkProof(rest[0], rest[1], "")
	case what == "proof" && len(rest) == 3:
		return checkProof(rest[0], rest[1], rest[2])
	case what == "note" && len(rest) == 2:
		return checkNote(rest[0], rest[1])
	case what == "consistency" && len(rest) == 2:
		return checkConsistency(rest[0], rest[1])
	}
	fmt.Fprintln(os.Stderr, "usage: foreign log URL|DIR VKEY | proof FILE VKEY [WITNESS-VKEY] | note FILE VKEY | consistency FILE VKEY")
	os.Exit(2)
	return nil
}

func main() {
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	_ = flags.Set("logtostderr", "false")
	_ = flags.Set("stderrthreshold", "FATAL")
	klog.SetOutput(io.Discard)
	if len(os.Args) < 2 {
		os.Args = append(os.Args, "")
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
}
