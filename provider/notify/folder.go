package notify

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Folder sends by writing each letter to a text file of its own in dir, which is
// made if it is missing. A letter that is sent again replaces its file.
func Folder(dir string) Sender {
	return func(_ context.Context, l Letter) error {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("outbox folder: %w", err)
		}
		text := "To: " + oneLine(l.To) + "\nChannel: " + string(l.Channel) + "\nSubject: " + oneLine(l.Subject) + "\n\n" + l.Body
		if !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		path := filepath.Join(dir, filepath.Base(l.ID)+".txt")
		if err := os.WriteFile(path+".part", []byte(text), 0o600); err != nil {
			return fmt.Errorf("outbox folder: %w", err)
		}
		if err := os.Rename(path+".part", path); err != nil {
			return fmt.Errorf("outbox folder: %w", err)
		}
		return nil
	}
}

// oneLine keeps a value from starting a header of its own.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
