package status

import (
	"context"
	"flag"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// patience is how long Chromium may take on a busy machine before it counts as hanging.
const patience = 5 * time.Minute

// browser starts Chromium, without a sandbox since tests often run as root.
func browser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed, so that no browser looks at the page")
	}
	allocator, cancel := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.WSURLReadTimeout(patience), chromedp.ExecPath(path), chromedp.Flag("disable-dev-shm-usage", true))...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting chromium: %v", err)
	}
	ctx, cancel = context.WithTimeout(ctx, patience)
	t.Cleanup(cancel)
	return ctx
}

// colours chooses between the two schemes.
func colours(ctx context.Context, t *testing.T, scheme string) {
	t.Helper()
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
		t.Fatal(err)
	}
}

func evaluate[T any](ctx context.Context, t *testing.T, script string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return v
}

// console collects what a page complains about, as of a breach of its own
// security policy.
type console struct {
	mu   sync.Mutex // guards said
	said []string
}

func listen(ctx context.Context, t *testing.T) *console {
	t.Helper()
	c := &console{}
	messages := chromedp.Console(ctx)
	var reading sync.WaitGroup
	reading.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			c.mu.Lock()
			c.said = append(c.said, m.String())
			c.mu.Unlock()
		}
	})
	t.Cleanup(reading.Wait)
	return c
}

func (c *console) take() (said []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	said, c.said = c.said, nil
	return said
}

// audit finds text that is hard to read, and what is wider than the screen. It
// gives one line for each fault.
const audit = `(() => {
	const faults = [];
	const channels = s => s.match(/[\d.]+/g).map(Number);
	const linear = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
	const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
	const behind = e => { for (; e; e = e.parentElement) { const b = channels(getComputedStyle(e).backgroundColor); if (b.length < 4 || b[3] > 0) return b; } return [255, 255, 255]; };
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n; n = walker.nextNode();) {
		const e = n.parentElement;
		if (!n.data.trim() || e.closest('title') || !e.getClientRects().length) continue;
		const style = getComputedStyle(e);
		const a = luminance(channels(e instanceof SVGElement ? style.fill : style.color)), b = luminance(behind(e));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) faults.push('contrast ' + ratio.toFixed(2) + ': ' + n.data.trim());
		const height = e instanceof SVGElement ? e.getBoundingClientRect().height / 1.17 : parseFloat(style.fontSize);
		if (height < 9.5) faults.push('small: ' + height.toFixed(1) + ': ' + n.data.trim());
	}
	if (document.documentElement.scrollWidth > innerWidth) faults.push('the page is ' + document.documentElement.scrollWidth + ' wide');
	for (const t of document.querySelectorAll('table')) if (!t.caption || !t.querySelector('th[scope=col]')) faults.push('a table without caption or headings');
	let last = 0;
	for (const h of document.querySelectorAll('h1, h2, h3')) { const l = +h.tagName[1]; if (l > last + 1) faults.push('heading out of order: ' + h.textContent); last = l; }
	for (const e of document.querySelectorAll('[aria-labelledby]')) if (!document.getElementById(e.getAttribute('aria-labelledby'))) faults.push('label missing');
	if (document.scripts.length || document.querySelector('[onerror], [onload], [onclick]')) faults.push('there is a script');
	return faults;
})()`

// pictures reports whether somebody wants to look at the page: go test
// -artifacts keeps what a test leaves behind.
func pictures() bool {
	f := flag.Lookup("test.artifacts")
	return f != nil && f.Value.String() == "true"
}

func TestPageInABrowser(t *testing.T) {
	ctx := browser(t)
	console := listen(ctx, t)
	for name, b := range map[string]*Board{"calm": populated(t, calm()), "troubled": populated(t, troubled()), "new": board(t, &State{})} {
		server := httptest.NewServer(Local(b.Handler()))
		defer server.Close()
		for _, scheme := range []string{"light", "dark"} {
			colours(ctx, t, scheme)
			for screen, width := range map[string]int64{"desktop": 1280, "tablet": 800, "phone": 390} {
				if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(server.URL+"/status")); err != nil {
					t.Fatal(err)
				}
				for _, fault := range evaluate[[]string](ctx, t, audit) {
					t.Errorf("%s, %s, %s: %s", name, scheme, screen, fault)
				}
				if !pictures() {
					continue
				}
				shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(t.ArtifactDir(), name+"-"+screen+"-"+scheme+".png"), shot, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, said := range console.take() {
		t.Errorf("the browser complains: %s", said)
	}
}
