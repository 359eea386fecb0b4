package jobs

import (
	"cmp"
	"slices"
	"sync"

	"aptmirror/cache/catalog"
	"aptmirror/proxy/admin"
	"aptmirror/proxy/status"
)

// working knows the jobs under way and what was last said of them. The zero
// value knows none.
type working struct {
	mu   sync.Mutex // guards jobs
	jobs map[uint64]*status.Work
}

func (w *working) begin(j catalog.Job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.jobs == nil {
		w.jobs = map[uint64]*status.Work{}
	}
	w.jobs[j.Number] = &status.Work{Job: admin.Job(j)}
}

func (w *working) end(number uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.jobs, number)
}

func (w *working) has(number uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.jobs[number] != nil
}

// tell keeps the latest news; how far a download is stays until the next.
func (w *working) tell(e admin.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if j := w.jobs[e.Job]; j != nil {
		j.Text = e.Text
		if e.Progress != nil {
			j.Progress = e.Progress
		}
	}
}

// list gives the jobs in the order of their numbers.
func (w *working) list() []status.Work {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []status.Work
	for _, j := range w.jobs {
		all = append(all, *j)
	}
	slices.SortFunc(all, func(a, b status.Work) int { return cmp.Compare(a.Number, b.Number) })
	return all
}

// News completes what is told of a job, and keeps it for the status page.
func (s *Jobs) News(job uint64, news func(admin.Event)) func(admin.Event) {
	return func(e admin.Event) {
		e.Time, e.Job = s.Now().UTC(), job
		s.working.tell(e)
		news(e)
	}
}
