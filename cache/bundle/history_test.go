package bundle

import (
	"fmt"
	"testing"
)

func TestTheNewestOfEachSeriesIsNeverForgotten(t *testing.T) {
	imports := []Import{{ID: "new", Series: "nightly", Signers: []string{"A"}}}
	for i := range 2 * maxHistory {
		imports = append(imports, Import{ID: fmt.Sprint(i), Series: "nightly", Signers: []string{"A"}})
	}
	imports = append(imports, Import{ID: "other", Series: "weekly", Signers: []string{"A"}}, Import{ID: "else", Series: "nightly", Signers: []string{"B"}})
	kept := forget(imports)
	if len(kept) != maxHistory+2 || kept[0].ID != "new" || kept[maxHistory].ID != "other" || kept[maxHistory+1].ID != "else" {
		t.Errorf("%d are kept, the last is %+v", len(kept), kept[len(kept)-1])
	}
}
