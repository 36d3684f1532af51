// Reads a journal as its own tlog-tiles client, with Go's sumdb/note and sumdb/tlog: nothing in it is Countersign's.
// read-log <folder or http url> <log verifier key> [-w <witness verifier key>]... [-old <checkpoint file>]
// prints what it found as JSON, and exits with 1 where anything does not hold.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type log struct{ base string }

func (l log) get(path string) ([]byte, error) {
	if !strings.HasPrefix(l.base, "http://") {
		return os.ReadFile(filepath.Join(l.base, filepath.FromSlash(path)))
	}
	// By hand: net/http takes a minute to build where Go has never built it before.
	host := strings.TrimPrefix(l.base, "http://")
	connection, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	fmt.Fprintf(connection, "GET /%s HTTP/1.0\r\nHost: %s\r\n\r\n", path, host)
	answer, err := io.ReadAll(connection)
	if err != nil {
		return nil, err
	}
	head, body, _ := bytes.Cut(answer, []byte("\r\n\r\n"))
	status, headers, _ := strings.Cut(string(head), "\r\n")
	if !strings.HasSuffix(status, " 200 OK") || strings.Contains(strings.ToLower(headers), "transfer-encoding") {
		return nil, fmt.Errorf("%s: %s", path, status)
	}
	return body, nil
}

// tlog.TileReader. The paths of C2SP tlog-tiles leave out the height, which is 8.
func (l log) Height() int { return height }

func (l log) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		data, err := l.get(strings.Replace(tile.Path(), "tile/8/", "tile/", 1))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (l log) SaveTiles([]tlog.Tile, [][]byte) {}

// C2SP tlog-cosignature/v1, as a verifier of sumdb/note.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
	time uint64
}

func (w *witness) Name() string    { return w.name }
func (w *witness) KeyHash() uint32 { return w.hash }
func (w *witness) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	w.time = binary.BigEndian.Uint64(signature)
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", w.time, text)
	return ed25519.Verify(w.key, []byte(message), signature[8:])
}

func newWitness(text string) (*witness, error) {
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("witness key: not of three parts")
	}
	data, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(data) != 33 || data[0] != 4 {
		return nil, errors.New("witness key: not an Ed25519 key for cosignatures")
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), data...))
	hash := binary.BigEndian.Uint32(sum[:])
	if fmt.Sprintf("%08x", hash) != parts[1] {
		return nil, errors.New("witness key: another key id")
	}
	return &witness{name: parts[0], hash: hash, key: data[1:]}, nil
}

func parseTree(text, origin string) (tlog.Tree, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] != origin {
		return tlog.Tree{}, fmt.Errorf("checkpoint: not three lines of %s", origin)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

type found struct {
	Size      int64    `json:"size"`
	Root      string   `json:"root"`
	Types     []string `json:"types"`
	Witnesses []string `json:"witnesses"`
	Continues int64    `json:"continues"`
	Records   int      `json:"records"`
}

func run(args []string) (*found, error) {
	if len(args) < 2 {
		return nil, errors.New("usage: read-log <log> <key> [-w <key>]... [-old <file>]")
	}
	source := log{args[0]}
	verifier, err := note.NewVerifier(args[1])
	if err != nil {
		return nil, err
	}
	verifiers := []note.Verifier{verifier}
	witnesses := map[string]bool{}
	var old string
	for i := 2; i+1 < len(args); i += 2 {
		if args[i] == "-old" {
			old = args[i+1]
			continue
		}
		one, err := newWitness(args[i+1])
		if err != nil {
			return nil, err
		}
		verifiers = append(verifiers, one)
		witnesses[one.name] = true
	}

	open := func(text []byte, by []note.Verifier) (tlog.Tree, *note.Note, error) {
		opened, err := note.Open(text, note.VerifierList(by...))
		if err != nil {
			return tlog.Tree{}, nil, err
		}
		own := false
		for _, signature := range opened.Sigs {
			own = own || (signature.Name == verifier.Name() && signature.Hash == verifier.KeyHash())
		}
		if !own {
			return tlog.Tree{}, nil, errors.New("checkpoint: not signed by the log")
		}
		tree, err := parseTree(opened.Text, verifier.Name())
		return tree, opened, err
	}
	text, err := source.get("checkpoint")
	if err != nil {
		return nil, err
	}
	tree, opened, err := open(text, verifiers)
	if err != nil {
		return nil, err
	}
	result := &found{Size: tree.N, Root: tree.Hash.String(), Witnesses: []string{}}
	for _, signature := range opened.Sigs {
		if witnesses[signature.Name] {
			result.Witnesses = append(result.Witnesses, signature.Name)
		}
	}

	// Every hash that comes out of this reader was verified against the tree's root.
	hashes := tlog.TileHashReader(tree, source)
	for first := int64(0); first < tree.N; first += 1 << height {
		width := min(tree.N-first, 1<<height)
		tile := tlog.Tile{H: height, L: -1, N: first >> height, W: int(width)}
		path := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
		bundle, err := source.get(path)
		if err != nil {
			return nil, err
		}
		for i := first; i < first+width; i++ {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				return nil, fmt.Errorf("%s: ends within an entry", path)
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			record := bundle[2:end]
			bundle = bundle[end:]
			stored, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, i)})
			if err != nil {
				return nil, err
			}
			if stored[0] != tlog.RecordHash(record) {
				return nil, fmt.Errorf("entry %d is not that of the tree", i)
			}
			var entry struct{ Type string }
			if err := json.Unmarshal(record, &entry); err != nil {
				return nil, err
			}
			result.Types = append(result.Types, entry.Type)
			result.Records++
		}
		if len(bundle) != 0 {
			return nil, fmt.Errorf("%s: has something behind its entries", path)
		}
	}

	if old != "" {
		text, err := os.ReadFile(old)
		if err != nil {
			return nil, err
		}
		before, _, err := open(text, []note.Verifier{verifier})
		if err != nil {
			return nil, err
		}
		if before.N > tree.N {
			return nil, fmt.Errorf("rolled back: %d entries, and %d before", tree.N, before.N)
		}
		proof, err := tlog.ProveTree(tree.N, before.N, hashes)
		if err != nil {
			return nil, err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, before.N, before.Hash); err != nil {
			return nil, fmt.Errorf("forked: %w", err)
		}
		result.Continues = before.N
	}
	return result, nil
}

func main() {
	result, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(result)
}
